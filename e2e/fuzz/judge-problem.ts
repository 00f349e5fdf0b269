import { problems, problemType, type Problem } from "@tl-engine/contract";
import { headerOf, type HttpAnswer } from "./http-answer.ts";

/** What no refusal may show: stacks, files, SQL, addresses, names of our parts. */
const insides =
  /\bat \S+:\d+|node_modules|\.[cm]?ts\b|file:\/\/|\bSELECT\b.*\bFROM\b|\bINSERT INTO\b|postgres|\bpg_|redis|bullmq|ECONN|\b127\.0\.0\.1\b|\/home\/|\/app\/|\b\w+Error:/i;

/** Looks at one refusal by itself. @returns what is wrong with it, as sentences */
export function judgeProblem(answer: HttpAnswer): string[] {
  const wrong: string[] = [];
  const media = headerOf(answer, "content-type");
  if (media !== "application/problem+json") return [`a refusal of type ${media}`];
  const text = answer.body.toString("utf8");
  // The request's id may be the caller's own word.
  const own = text.replace(headerOf(answer, "x-request-id") ?? "", "");
  if (insides.test(own)) wrong.push(`shows its insides: ${insides.exec(own)?.[0]}`);
  if (answer.body.length > 160_000) wrong.push(`is ${answer.body.length} bytes long`);
  let problem: Partial<Problem>;
  try {
    problem = JSON.parse(text) as Partial<Problem>;
  } catch {
    return [...wrong, "is no JSON"];
  }
  const { code, status, title, type, detail, request_id: id, errors } = problem;
  if (code === undefined || !Object.hasOwn(problems, code))
    return [...wrong, `has the code ${code}`];
  if (status !== answer.status) wrong.push(`says ${status} in a ${answer.status}`);
  if (problems[code].status !== answer.status) wrong.push(`is ${code} in a ${answer.status}`);
  if (title !== problems[code].title || type !== problemType(code)) wrong.push("has another title");
  if (typeof detail !== "string" || detail === "") wrong.push("has no detail");
  if (id !== headerOf(answer, "x-request-id")) wrong.push("names another request");
  if (code === "invalid_input" && errors === undefined) wrong.push("names no wrong member");
  return wrong;
}

/** The code of a refusal, null where it says none. */
export function codeOf({ body }: HttpAnswer): string | null {
  try {
    const { code } = JSON.parse(body.toString("utf8")) as { code?: unknown };
    return typeof code === "string" ? code : null;
  } catch {
    return null;
  }
}

/** Whether the server refused what it could not read as a request, before the API saw it. */
export function isUnread(answer: HttpAnswer): boolean {
  return (
    answer.status === 400 &&
    headerOf(answer, "connection")?.toLowerCase() === "close" &&
    // The caller may have asked for the end; but what the API answers says who it is for.
    !answer.headers.has("vary") &&
    // An answer to HEAD says no more.
    (answer.body.length === 0 || codeOf(answer) === "malformed_request")
  );
}
