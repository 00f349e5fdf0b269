import { z } from "zod";
import { headerNameSchema, isFieldValue } from "./connection-header.ts";

const given = (text: z.ZodString) => text.min(1, "must not be empty");
/** Texts that are sent as they are; control characters would end them early or open a new line. */
const plainText = (max: number) =>
  given(z.string().max(max)).refine(
    (text) => !/\p{Cc}/u.test(text),
    "must not hold control characters",
  );
const secretText = (max = 8192) => plainText(max).meta({ writeOnly: true });
const fieldValue = given(z.string().max(8192)).refine(
  isFieldValue,
  "must be visible Latin-1 text without spaces around it",
);

/** Text in PEM, as `openssl` writes it; what is in it is looked at when it is taken. */
export const pemSchema = z
  .string()
  .max(262_144)
  .regex(/-----BEGIN [A-Z0-9 ]+-----/, "must be PEM: -----BEGIN …-----, and whole");

const noAuth = { type: z.literal("none") };
const apiKey = {
  type: z.literal("api_key"),
  in: z.enum(["header", "query"], "must be header or query"),
  name: plainText(100),
  value: fieldValue.meta({ writeOnly: true }),
};
const bearer = {
  type: z.literal("bearer"),
  token: given(z.string().max(8192))
    .regex(/^[\x21-\x7e]*$/, "must be visible ASCII without spaces")
    .meta({ writeOnly: true }),
};
const basic = {
  type: z.literal("basic"),
  username: plainText(1000).regex(/^[^:]*$/, "must not hold a colon (RFC 7617)"),
  password: secretText(),
};

/** How the client says at the token endpoint who it is. */
export const oauthClientAuths = ["basic", "post", "private_key_jwt"] as const;
/** Signatures of a `private_key_jwt` (RFC 7523). */
export const oauthAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

const tokenUrl = z
  .string()
  .max(2048)
  .refine((text) => {
    const url = URL.parse(text);
    return (
      /^https?:\/\/[\x21-\x7e]+$/i.test(text) &&
      url !== null &&
      url.username === "" &&
      url.password === "" &&
      url.hash === "" &&
      !text.includes("\\")
    );
  }, "must be an https (or http) address without a user name, password or fragment")
  .transform((text) => new URL(text).href);

const oauthClient = {
  token_url: tokenUrl,
  client_id: plainText(1000),
  client_auth: z.enum(oauthClientAuths, `must be one of ${oauthClientAuths.join(", ")}`),
  client_secret: secretText().meta({ description: "For client_auth basic and post" }),
  private_key: pemSchema.meta({ writeOnly: true, description: "For private_key_jwt; PEM" }),
  key_id: plainText(1000).nullable().default(null),
  algorithm: z
    .enum(oauthAlgorithms, `must be one of ${oauthAlgorithms.join(", ")}`)
    .nullable()
    .default(null)
    .meta({ description: "For private_key_jwt; null: what suits the key" }),
  scope: plainText(2000).nullable().default(null),
  audience: plainText(2000).nullable().default(null),
};
const clientCredentials = { type: z.literal("oauth2_client_credentials"), ...oauthClient };
const refreshToken = {
  type: z.literal("oauth2_refresh_token"),
  ...oauthClient,
  refresh_token: secretText(),
};

const signingSecrets = z
  .array(secretText(1000))
  .min(1, "must hold the secret that signs")
  .max(2, "must hold at most two secrets: the new one first")
  .meta({ writeOnly: true, description: "The first signs; with two, both do, while they change" });
const hmac = {
  type: z.literal("hmac"),
  scheme: z.enum(["standard_webhooks", "sha256"], "must be standard_webhooks or sha256"),
  signing_secrets: signingSecrets,
  header: headerNameSchema
    .optional()
    .meta({ description: "For sha256: where the signature goes", example: "x-hub-signature-256" }),
  prefix: z
    .string()
    .max(100)
    .regex(/^[\x21-\x7e]*$/, "must be visible ASCII without spaces")
    .optional()
    .meta({ description: "For sha256: what stands before the hex digits", example: "sha256=" }),
};

const shapes = {
  none: noAuth,
  api_key: apiKey,
  bearer,
  basic,
  oauth2_client_credentials: clientCredentials,
  oauth2_refresh_token: refreshToken,
  hmac,
} as const;
export type ConnectionAuthType = keyof typeof shapes;
export const connectionAuthTypes = Object.keys(shapes) as ConnectionAuthType[];

/** Members of `auth` that are secret, by type: they go in, are kept encrypted, and never come out. */
export const secretAuthMembers = {
  none: [],
  api_key: ["value"],
  bearer: ["token"],
  basic: ["password"],
  oauth2_client_credentials: ["client_secret", "private_key"],
  oauth2_refresh_token: ["client_secret", "private_key", "refresh_token"],
  hmac: ["signing_secrets"],
} as const satisfies Record<ConnectionAuthType, readonly string[]>;

const unknownType = `must have a type, one of ${connectionAuthTypes.join(", ")}`;

/** How calls say who we are. Which secrets are needed is looked at with what is kept already. */
export const authInputSchema = z
  .discriminatedUnion(
    "type",
    [
      z.strictObject(noAuth),
      z.strictObject(apiKey).partial({ value: true }),
      z.strictObject(bearer).partial({ token: true }),
      z.strictObject(basic).partial({ password: true }),
      z.strictObject(clientCredentials).partial({ client_secret: true, private_key: true }),
      z
        .strictObject(refreshToken)
        .partial({ client_secret: true, private_key: true, refresh_token: true }),
      z.strictObject(hmac).partial({ signing_secrets: true }),
    ],
    unknownType,
  )
  .meta({
    id: "ConnectionAuth",
    description:
      "Secret members are write-only. In a change, those left out stay as they are while the type stays the same.",
  });
export type AuthInput = z.infer<typeof authInputSchema>;

const setSecrets = {
  secrets: z.array(z.string()).meta({ description: "The secret members that are set" }),
};

/** `auth` as it is shown: without its secret members, with the names of those that are set. */
export const authShownSchema = z
  .discriminatedUnion("type", [
    z.object({ ...noAuth, ...setSecrets }),
    z.object({ ...apiKey, ...setSecrets }).omit({ value: true }),
    z.object({ ...bearer, ...setSecrets }).omit({ token: true }),
    z.object({ ...basic, ...setSecrets }).omit({ password: true }),
    z
      .object({ ...clientCredentials, ...setSecrets })
      .omit({ client_secret: true, private_key: true }),
    z
      .object({ ...refreshToken, ...setSecrets })
      .omit({ client_secret: true, private_key: true, refresh_token: true }),
    z.object({ ...hmac, ...setSecrets }).omit({ signing_secrets: true }),
  ])
  .meta({ id: "ConnectionAuthShown" });
export type AuthShown = z.infer<typeof authShownSchema>;
