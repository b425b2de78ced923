/**
 * Owns one llama-server: starts it, asks it things, and leaves nothing behind. Runs the same on Bun and on Node 22 and newer:
 *
 *     bin/bun examples/llama-server.ts path/to/llama-server path/to/model.gguf
 *     npm run build:lib && node examples/llama-server.ts path/to/llama-server path/to/model.gguf
 */
import { createLlamaServer, formatError, LlamaProcessError } from "lemon.ts";

const [executable, model] = process.argv.slice(2);
if (executable === undefined || model === undefined) {
  console.error("usage: llama-server.ts PATH_OF_LLAMA_SERVER PATH_OF_MODEL");
  process.exit(2);
}

try {
  const server = await createLlamaServer({
    executable,
    model,
    alias: "example",
    apiKey: "only-for-us",
    extraArgs: "--ctx-size 2048 --seed 42",
  });
  try {
    await server.start({ signal: AbortSignal.timeout(120_000) });
    console.log(`state: ${server.state}`);

    const messages = [{ role: "user", content: "Who are you?" }];
    const answer = await server.chatCompletions({ messages, temperature: 0 });
    console.log(`${answer.model} says: ${answer.choices[0]?.message.content}`);

    let pieces = 0;
    for await (const chunk of server.chatCompletionsStream({ messages, temperature: 0 })) {
      process.stdout.write(chunk.choices[0]?.delta.content ?? "");
      pieces++;
    }
    console.log(` (in ${pieces} pieces)`);

    const { tokens } = await server.tokenize({ content: "Hello 🍋" });
    const { content } = await server.detokenize({ tokens: tokens.filter((token) => typeof token === "number") });
    console.log(`${tokens.length} tokens make ${JSON.stringify(content)}`);

    const raw = await server.request("/v1/models");
    console.log(`raw: ${raw.status} ${raw.headers.get("content-type")}`);
  } finally {
    const exit = await server.stop();
    console.log(`state: ${server.state}, exit code ${exit?.code}`);
  }
  // A model that is not there: the error has a stable code, and its text is there in two languages.
  await createLlamaServer({ executable, model: "/nowhere/huggingface/hub/model.gguf", alias: "missing" });
} catch (error) {
  if (!(error instanceof LlamaProcessError)) throw error;
  console.log(error.code);
  for (const language of ["en", "de"]) console.log(formatError(error, language));
}
