import { expect, test } from "bun:test";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findStaticFile, typeOf } from "./static-file.ts";

test("only files inside the folder are found, whatever the name and whatever links lie in it", async () => {
  const root = await realpath(await mkdtemp(join(tmpdir(), "lemonade-static-")));
  try {
    const [outside, real] = [join(root, "page-outside"), join(root, "page")];
    for (const folder of [outside, join(real, "js"), join(real, ".git")]) await mkdir(folder, { recursive: true });
    for (const path of [join(outside, "secret"), join(real, "index.html"), join(real, "js", "a.js"), join(real, ".git", "config")]) {
      await writeFile(path, "");
    }
    await symlink(join(outside, "secret"), join(real, "linked-file"));
    await symlink(outside, join(real, "linked-folder"));
    await symlink(join(real, "js"), join(real, "scripts"));
    const folder = join(root, "through-a-link");
    await symlink(real, folder);
    expect(await findStaticFile(folder, "index.html")).toBe(join(real, "index.html"));
    expect(await findStaticFile(folder, "js/a.js")).toBe(join(real, "js", "a.js"));
    expect(await findStaticFile(folder, "scripts/a.js")).toBe(join(real, "js", "a.js"));
    const wrong = [
      "",
      "/",
      ".",
      "..",
      "../page-outside/secret",
      "js/../../page-outside/secret",
      "..\\page-outside\\secret",
      "/etc/passwd",
      "C:/windows/win.ini",
      "linked-file",
      "linked-folder/secret",
      ".git/config",
      "js",
      "js/",
      "js//a.js",
      "index.html\0",
      "none.html",
    ];
    for (const name of wrong) expect([name, await findStaticFile(folder, name)]).toEqual([name, undefined]);
    expect(await findStaticFile(join(root, "none"), "index.html")).toBeUndefined();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test("scripts and styles have the types that browsers insist on", () => {
  expect(typeOf("a.JS")).toBe("text/javascript; charset=utf-8");
  expect(typeOf("a.css")).toBe("text/css; charset=utf-8");
  expect(typeOf("a.exe")).toBe("application/octet-stream");
});
