import { Command, CommanderError, Option } from "commander";
import { LLAMACPP_BACKENDS } from "../platform/index.ts";
import type { Flags } from "../router/index.ts";
import type { InstallFlags } from "./commands/install.ts";
import type { LoadFlags } from "./commands/load.ts";
import type { ListFlags } from "./commands/list.ts";
import type { PullFlags } from "./commands/pull.ts";
import { EXIT } from "./exit-codes.ts";
import { INTERRUPTED, Interruption } from "./interruptible.ts";
import { someText, tokenCount, trueOrFalse } from "./option-values.ts";
import { reportError } from "./report-error.ts";
import { addServerOptions } from "./server-options.ts";
import { VERSION } from "./version.ts";

/** `--reasoning` is a flag, behind which a value may stand as Lemonade's first version wanted it; a model's name is none. */
function withPlainFlags(words: readonly string[]): string[] {
  return words.map((word, i) => (word === "--reasoning" && !/^(?:true|false)$/i.test(words[i + 1] ?? "true") ? "--reasoning=true" : word));
}

/** Parses the words of the command line and runs the command. Returns the exit code. */
export async function runProgram(words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.success;
  const program = new Command("lemonade")
    .description("Run language models on this machine behind one port that speaks every client's API.")
    .version(VERSION, "-v, --version", "print the version")
    .option("--verbose", "print stack traces with errors")
    .showSuggestionAfterError()
    .showHelpAfterError("(add --help for usage)")
    .exitOverride()
    // `install --version TAG` is that command's own.
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false });

  addServerOptions(program.command("serve").description("start the server in the foreground")).action(async (flags: Flags) => {
    exitCode = await (await import("./commands/serve.ts")).serve(flags);
  });
  addServerOptions(
    program
      .command("run")
      .description("load a model and chat with it, starting a server if none runs")
      .argument("<model>", "name of a model, path of a .gguf file or of a folder with its shards; `tiny` is built in")
      .option("--prompt <text>", "answer this prompt and exit; `-` reads it from standard input"),
  ).action(async (model: string, flags: Flags & { prompt?: string }) => {
    exitCode = await (await import("./commands/run.ts")).run(model, flags);
  });
  program
    .command("load")
    .description("load a model in the running server")
    .argument("<model>", "name of a model, path of a .gguf file or of a folder with its shards")
    .option("--ctx-size <tokens>", "context of this model", tokenCount)
    .addOption(new Option("--llamacpp <backend>", "llama.cpp build to use for it, an installed one").choices(LLAMACPP_BACKENDS))
    .option("--llamacpp-args <arguments>", "further arguments for its llama-server, one string")
    .option("--save-options", "keep these options for every later load of the model; alone it forgets them")
    .action(async (model: string, flags: LoadFlags) => {
      exitCode = await (await import("./commands/load.ts")).load(model, flags);
    });
  program
    .command("unload")
    .description("unload a model in the running server, or all")
    .argument("[model]", "name of the model")
    .action(async (model: string | undefined) => {
      exitCode = await (await import("./commands/load.ts")).unload(model);
    });
  program
    .command("status")
    .description("say whether a server is running")
    .option("--json", "print everything it says of itself")
    .action(async (options: { json?: boolean }) => {
      exitCode = await (await import("./commands/status.ts")).status(options);
    });
  program
    .command("stop")
    .description("stop the running server and every engine it started")
    .action(async () => {
      exitCode = await (await import("./commands/stop.ts")).stop();
    });
  program
    .command("list")
    .description("list models: those that are here and suggested ones")
    .option("--downloaded", "only those that are here")
    .option("--all", "the whole catalogue")
    .option("--json", "as JSON")
    .action(async (flags: ListFlags) => {
      exitCode = await (await import("./commands/list.ts")).list(flags);
    });
  program
    .command("pull")
    .description("download models")
    .argument("<models...>", "registered names, checkpoints org/repo:VARIANT, or new names user.NAME with --checkpoint and --recipe")
    .option("--checkpoint <checkpoint>", "repository on the hub, org/repo:VARIANT for GGUF files")
    .option("--recipe <recipe>", "which engines run it: llamacpp, flm, …")
    .option("--mmproj <file>", "projector file in the repository")
    .option("--reasoning [value]", "the model thinks before it answers", trueOrFalse)
    .option("--vision", "the model sees images")
    .option("--embedding", "the model turns texts into vectors")
    .option("--reranking", "the model orders documents by relevance")
    .action(async (models: string[], flags: PullFlags) => {
      exitCode = await (await import("./commands/pull.ts")).pull(models, flags);
    });
  program
    .command("delete")
    .description("delete the files of models, and what has arrived of them; what another model needs stays")
    .argument("<models...>", "names, or checkpoints; org/repo without a variant is everything of that repository")
    .option("--unload", "also when loaded: unload first")
    .action(async (models: string[], flags: { unload?: boolean }) => {
      exitCode = await (await import("./commands/delete.ts")).deleteModels(models, flags);
    });
  const downloads = program
    .command("downloads")
    .description("list the downloads that run, are paused or have failed")
    .option("--json", "as JSON")
    .action(async (flags: { json?: boolean }) => {
      exitCode = await (await import("./commands/downloads.ts")).downloads(flags);
    });
  for (const [action, description] of [
    ["pause", "stop downloads and keep what has arrived"],
    ["resume", "go on with downloads that were paused or have failed"],
    ["cancel", "stop downloads and drop what has arrived of unfinished files"],
  ] as const) {
    downloads
      .command(action)
      .description(description)
      .argument("<ids...>", "as `lemonade downloads` lists them")
      .action(async (ids: string[]) => {
        exitCode = await (await import("./commands/downloads.ts")).controlDownloads(action, ids);
      });
  }
  program
    .command("search")
    .description("search the hub for GGUF repositories")
    .argument("<query>", "words of the name, or ORG/REPO to list what it offers", someText)
    .option("--json", "as JSON")
    .action(async (query: string, flags: { json?: boolean }) => {
      exitCode = await (await import("./commands/search.ts")).search(query, flags);
    });
  program
    .command("info")
    .description("say what a model's files hold and what it needs here")
    .argument("<model>", "name of a model, path, or checkpoint org/repo:VARIANT")
    .option("--ctx-size <tokens>", "estimate the memory for this context", tokenCount)
    .option("--json", "as JSON")
    .action(async (model: string, flags: { ctxSize?: number; json?: boolean }) => {
      exitCode = await (await import("./commands/info.ts")).info(model, flags);
    });
  program
    .command("system-info")
    .description("say what this machine consists of and which engines are on it")
    .option("--verbose", "everything that is known")
    .addOption(new Option("--format <format>", "how to print it").choices(["table", "json"]).default("table"))
    .action(async (_flags: unknown, command: Command) => {
      exitCode = await (await import("./commands/system-info.ts")).systemInfo(command.optsWithGlobals());
    });
  program
    .command("backends")
    .description("list the engines: installed, available, default, and why")
    .option("--json", "as JSON")
    .action(async (flags: { json?: boolean }) => {
      exitCode = await (await import("./commands/backends.ts")).backends(flags);
    });
  program
    .command("install")
    .description("install an engine")
    .argument("<backend>", "llamacpp (the variant that fits this machine), llamacpp:VARIANT, embedded or flm")
    .option("--version <tag>", "another version than the one that belongs to this program")
    .option("--force", "also when it is installed already")
    .option("--from-source", "build llama-server from the source that the embedded engine carries (cmake and a compiler are needed)")
    .action(async (backend: string, flags: InstallFlags) => {
      exitCode = await (await import("./commands/install.ts")).install(backend, flags);
    });
  program
    .command("uninstall")
    .description("remove an engine")
    .argument("<backend>", "llamacpp:VARIANT or embedded")
    .action(async (backend: string) => {
      exitCode = await (await import("./commands/install.ts")).uninstall(backend);
    });

  const keys = program.command("keys").description("API keys of the server, for when others can reach it");
  keys
    .command("add")
    .description("make a key and print it")
    .argument("<name>", "what the key is for")
    .option("--scopes <scopes>", "what it allows: infer, manage, admin, separated by commas", "infer")
    .action(async (name: string, options: { scopes: string }) => {
      exitCode = await (await import("./commands/keys.ts")).addKey(name, options);
    });
  keys
    .command("list")
    .description("list the keys")
    .option("--json", "as JSON")
    .action(async (options: { json?: boolean }) => {
      exitCode = await (await import("./commands/keys.ts")).listKeys(options);
    });
  keys
    .command("remove")
    .description("remove a key")
    .argument("<name>")
    .action(async (name: string) => {
      exitCode = await (await import("./commands/keys.ts")).removeKey(name);
    });

  for (const command of [...program.commands, ...keys.commands, ...downloads.commands]) {
    const hasOwn = command.options.some(({ long }) => long === "--verbose");
    if (!hasOwn) command.addOption(new Option("--verbose").hideHelp());
  }
  if (words.length === 0) {
    program.outputHelp();
    return EXIT.success;
  }
  try {
    await program.parseAsync(withPlainFlags(words), { from: "user" });
  } catch (error) {
    // Help and version end the parser by an exception with code 0; its own complaints have been printed.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
    if (error instanceof Interruption) return INTERRUPTED;
    return reportError(error, { verbose: words.includes("--verbose") });
  }
  return exitCode;
}
