import { TerminalError } from "@tl-engine/engine-kit";

export type Variables = Readonly<Record<string, string | number | boolean>>;

const place = /\{\{\s*([A-Za-z_][A-Za-z0-9_.-]{0,63})\s*\}\}/g;

/**
 * Puts variables into a template, once: a value that looks like a template stays as it is. Without variables the text is
 * no template.
 *
 * @param escape makes of a value what stands for itself in the channel
 * @throws TerminalError `input_invalid` naming the variable that is missing
 */
export function fillTemplate(
  template: string,
  variables: Variables | undefined,
  escape: (value: string) => string,
): string {
  if (variables === undefined) return template;
  return template.replaceAll(place, (_, name: string) => {
    if (!Object.hasOwn(variables, name)) {
      throw new TerminalError(`the template has a variable that is not given: ${name}`, {
        code: "input_invalid",
        details: { pointer: `/variables/${name}` },
      });
    }
    return escape(String(variables[name]));
  });
}
