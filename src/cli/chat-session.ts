import { createInterface } from "node:readline";
import { errorMessage } from "../errors.ts";
import type { ChatMessage, LemonadeClient } from "../client/index.ts";

const DIM = "\u001B[2m";
const PLAIN = "\u001B[0m";
const HELP = "Enter a message. Ctrl-C stops an answer; twice, Ctrl-D or /bye leaves; /clear forgets the conversation.";

/** Streams one answer to stdout, thoughts dimmed on a terminal, and returns its text. */
export async function printAnswer(
  client: LemonadeClient,
  options: { model: string; messages: readonly ChatMessage[]; signal: AbortSignal },
): Promise<string> {
  const { model, messages, signal } = options;
  const isTerminal = process.stdout.isTTY;
  let answer = "";
  let isThinking = false;
  for await (const { kind, text } of client.chat(model, messages, { signal })) {
    if (kind === "reasoning") {
      if (isTerminal) process.stdout.write(`${DIM}${text}${PLAIN}`);
      isThinking = isTerminal;
      continue;
    }
    if (isThinking) process.stdout.write("\n\n");
    isThinking = false;
    process.stdout.write(text);
    answer += text;
  }
  process.stdout.write("\n");
  return answer;
}

/** Chats on the terminal with a line editor until the user leaves. */
export async function chatOnTerminal(client: LemonadeClient, model: string): Promise<void> {
  console.log(HELP);
  const editor = createInterface({ input: process.stdin, output: process.stdout, prompt: "> ", historySize: 1000 });
  let messages: ChatMessage[] = [];
  let answering: AbortController | undefined;
  let wasInterrupted = false;
  let isClosed = false;
  editor.once("close", () => {
    isClosed = true;
    answering?.abort(); // Whoever leaves in the middle of an answer does not wait for its end.
  });
  editor.on("SIGINT", () => {
    if (answering !== undefined && !answering.signal.aborted) answering.abort();
    else if (wasInterrupted) editor.close();
    else {
      wasInterrupted = true;
      process.stdout.write("\n(Ctrl-C again leaves)\n");
      editor.prompt();
    }
  });
  editor.prompt();
  for await (const line of editor) {
    wasInterrupted = false;
    const text = line.trim();
    if (text === "/bye") break;
    if (text === "/clear") messages = [];
    else if (text === "/help" || text === "/?") console.log(HELP);
    else if (text !== "") {
      const question: ChatMessage = { role: "user", content: text };
      answering = new AbortController();
      try {
        const answer = await printAnswer(client, { model, messages: [...messages, question], signal: answering.signal });
        messages.push(question, { role: "assistant", content: answer });
      } catch (error) {
        console.log(answering.signal.aborted ? "\n(stopped)" : `\nerror: ${errorMessage(error)}`);
        wasInterrupted = answering.signal.aborted;
      }
      answering = undefined;
    }
    if (!isClosed) editor.prompt();
  }
  editor.close();
}
