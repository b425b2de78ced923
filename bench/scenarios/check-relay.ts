import { CHAT_BODY, streamBody } from "../wrk.ts";

/** Holds all targets to the same bytes before they are timed: a fast relay of something else would win. */
export async function checkRelay(baseUrls: readonly string[]): Promise<void> {
  for (const body of [CHAT_BODY, streamBody({ events: 500 })]) {
    const answers = await Promise.all(
      baseUrls.map(async (baseUrl) => {
        const response = await fetch(`${baseUrl}/v1/chat/completions`, { method: "POST", body });
        return `${response.status} ${response.headers.get("content-type")} ${await response.text()}`;
      }),
    );
    if (new Set(answers).size !== 1) throw new Error(`The answers differ:\n${answers.map((answer) => answer.slice(0, 300)).join("\n")}`);
  }
}
