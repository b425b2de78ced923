import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { TINY_SENTENCE, TINY_THOUGHT } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  makeModels,
  startInTerminal,
  startLemonade,
  until,
  type Lemonade,
  type ModelsFolder,
  type Workspace,
} from "../fixtures/index.ts";

const [CTRL_C, CTRL_D, ENTER] = ["\u0003", "\u0004", "\r"];

describe.skipIf(process.platform === "win32")("on a terminal", () => {
  describeWithEachEngine("run chats", (engine) => {
    let workspace: Workspace;
    let models: ModelsFolder;
    let server: Lemonade;
    beforeAll(async () => {
      workspace = await createWorkspace();
      models = await makeModels(join(workspace.folder, "models"), ["endless", "reasoning"]);
      server = await startLemonade({ engine, workspace, flags: [...models.flags, "--max-loaded-models", "3", "--ctx-size", "200000"] });
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
      await workspace[Symbol.asyncDispose]();
    });

    test("line by line until /bye", async () => {
      await using terminal = startInTerminal(["run", "tiny"], { workspace });
      await terminal.shows("You can now chat with tiny");
      for (const message of ["hello", "hello again"]) {
        await terminal.shows("> ");
        terminal.press(message + ENTER);
        await terminal.shows(TINY_SENTENCE);
      }
      await terminal.shows("> ");
      terminal.press(`/bye${ENTER}`);
      await terminal.shows("The server keeps running");
      expect(await terminal.exited).toBe(0);
    });

    test("and shows thoughts apart from the answer", async () => {
      await using terminal = startInTerminal(["run", "reasoning"], { workspace });
      await terminal.shows("> ");
      terminal.press(`hello${ENTER}`);
      await terminal.shows("\u001B[2m");
      await terminal.shows(TINY_SENTENCE);
      const answer = terminal.shown().replaceAll("\u001B[2m", "").replaceAll("\u001B[0m", "");
      expect(answer).toContain(TINY_THOUGHT);
      await terminal.shows("> ");
      terminal.press(CTRL_D);
      expect(await terminal.exited).toBe(0);
    });

    test("and leaves in the middle of an answer at Ctrl-D", async () => {
      await using terminal = startInTerminal(["run", "endless"], { workspace });
      await terminal.shows("> ");
      terminal.press(`hello${ENTER}`);
      await terminal.shows(TINY_SENTENCE);
      terminal.press(CTRL_D);
      await terminal.shows("The server keeps running");
      expect(await terminal.exited).toBe(0);
      await until("the model rests", async () => (await server.model("endless")).in_flight === 0);
    });

    test("until Ctrl-C stops the answer, and a second one leaves", async () => {
      await using terminal = startInTerminal(["run", "endless"], { workspace });
      await terminal.shows("> ");
      terminal.press(`hello${ENTER}`);
      await terminal.shows(TINY_SENTENCE);
      terminal.press(CTRL_C);
      await terminal.shows("(stopped)");
      await terminal.shows("> ");
      await until("the model rests", async () => (await server.model("endless")).in_flight === 0);
      terminal.press(`go on${ENTER}`);
      await terminal.shows(TINY_SENTENCE);
      terminal.press(CTRL_C);
      await terminal.shows("(stopped)");
      await terminal.shows("> ");
      terminal.press(CTRL_C);
      expect(await terminal.exited).toBe(0);
    });

    test("until Ctrl-C leaves at an empty line, asked twice", async () => {
      await using terminal = startInTerminal(["run", "tiny"], { workspace });
      await terminal.shows("> ");
      terminal.press(CTRL_C);
      await terminal.shows("Ctrl-C again");
      await terminal.shows("> ");
      terminal.press(CTRL_C);
      expect(await terminal.exited).toBe(0);
    });

    test("on after an answer that has failed", async () => {
      await using terminal = startInTerminal(["run", "endless"], { workspace });
      await terminal.shows("> ");
      terminal.press(`hello${ENTER}`);
      await terminal.shows(TINY_SENTENCE);
      process.kill((await server.model("endless")).pid, "SIGKILL");
      await terminal.shows("error: ");
      await terminal.shows("> ");
      terminal.press(`hello${ENTER}`);
      await terminal.shows(TINY_SENTENCE);
      terminal.press(CTRL_C);
      await terminal.shows("(stopped)");
      terminal.press(`/bye${ENTER}`);
      expect(await terminal.exited).toBe(0);
    });
  });

  test("a server that is interrupted ends, and a second Ctrl-C is heard", async () => {
    await using workspace = await createWorkspace();
    await using terminal = startInTerminal(["serve", "--port", "0"], { workspace });
    await terminal.shows("is ready at http");
    terminal.press(CTRL_C + CTRL_C);
    expect(await terminal.exited).toBe(0);
    expect(await workspace.processes()).toEqual([]);
  });
});
