/** The variables that `tl` was started with. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The members of `secrets.json` that `tl` uses; `npm start` writes it. */
export interface Secrets {
  url?: string | null;
  plane_api_key?: string;
  program_api_key?: string | null;
  jwt_secret?: string;
  secret_key?: string;
  postgres_password?: string;
}
