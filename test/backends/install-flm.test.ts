import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FlmProgram } from "../../src/backends/flm/index.ts";
import { installFlm, type InstallFlmOptions } from "../../src/backends/installers/index.ts";
import { downloadUrl } from "../../src/hub/index.ts";
import { rejection } from "../fixtures/index.ts";
import { ReleaseServer } from "../fixtures/releases/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const REPOSITORY = "FastFlowLM/FastFlowLM";
let server: ReleaseServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeEach(async () => {
  server = await ReleaseServer.start();
  folder = await temporaryFolder();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** An installer that puts a program into the folder of programs and writes down how it was called. */
function installer(version: string, { exitCode = 0 } = {}): string {
  return `#!/bin/sh
echo "installer $*" >> "$LOCALAPPDATA/calls"
[ ${exitCode} = 0 ] || { echo "setup failed"; exit ${exitCode}; }
mkdir -p "$LOCALAPPDATA/bin"
printf '#!/bin/sh\\necho FLM ${version}\\n' > "$LOCALAPPDATA/bin/flm"
chmod +x "$LOCALAPPDATA/bin/flm"
`;
}

/** The program's name and the path rules are those of this system; the policy is that of Windows. */
function install(options: Partial<InstallFlmOptions> = {}) {
  const env = { PATH: `${join(folder.path, "bin")}:/usr/bin:/bin`, LOCALAPPDATA: folder.path };
  return installFlm({
    program: new FlmProgram({ env }),
    downloadsDir: join(folder.path, "downloads"),
    downloadFile: async (download) => await downloadUrl(download, { env }),
    env,
    platform: "win32",
    mirrorUrl: server.url,
    verifyPauseMs: { first: 0, next: 0 },
    ...options,
  });
}

const calls = async (): Promise<string> => await readFile(join(folder.path, "calls"), "utf8").catch(() => "");

async function putProgram(version: string): Promise<void> {
  await mkdir(join(folder.path, "bin"));
  await writeFile(join(folder.path, "bin", "flm"), `#!/bin/sh\necho FLM ${version}\n`);
  await chmod(join(folder.path, "bin", "flm"), 0o755);
}

// The fake installer is a shell script.
describe.skipIf(process.platform === "win32")("the installer of FastFlowLM", () => {
  test("is fetched and run with its windows when the program is new here, and is removed", async () => {
    server.publish(REPOSITORY, "v0.9.23", { "flm-setup.exe": installer("v0.9.23") });
    expect(await install()).toMatchObject({ version: "v0.9.23", wasInstalledAlready: false, executable: join(folder.path, "bin", "flm") });
    expect(await calls()).toBe("installer \n");
    expect(await readdir(join(folder.path, "downloads"))).toEqual([]);
  });

  test("comes unchecked when the API says nothing, which is said", async () => {
    server.publish(REPOSITORY, "v0.9.23", { "flm-setup.exe": installer("v0.9.23") });
    server.apiCallsLeft = 0;
    expect(await install()).toMatchObject({ version: "v0.9.23", warnings: [expect.stringContaining("published digest")] });
  });

  test("runs silently for an upgrade", async () => {
    await putProgram("v0.9.10");
    server.publish(REPOSITORY, "v0.9.23", { "flm-setup.exe": installer("v0.9.23") });
    expect(await install()).toMatchObject({ version: "v0.9.23", wasInstalledAlready: false });
    expect(await calls()).toBe("installer /VERYSILENT\n");
  });

  test("is not needed when a version as new is here", async () => {
    await putProgram("v0.9.30");
    expect(await install()).toMatchObject({ version: "v0.9.30", wasInstalledAlready: true });
    expect(server.requests).toEqual([]);
  });

  test("that fails is an error with its exit code, and is removed", async () => {
    server.publish(REPOSITORY, "v0.9.23", { "flm-setup.exe": installer("v0.9.23", { exitCode: 5 }) });
    expect((await rejection(install())).message).toContain("exit code 5");
    expect(await readdir(join(folder.path, "downloads"))).toEqual([]);
  });

  test("that leaves an older program behind is an error after some looks", async () => {
    server.publish(REPOSITORY, "v0.9.23", { "flm-setup.exe": installer("v0.9.1") });
    expect((await rejection(install())).message).toContain("`flm version` says v0.9.1");
  });

  test("is refused before anything is fetched when the NPU driver is too old", async () => {
    const error = await rejection(install({ driverVersion: "32.0.203.280" }));
    expect(error).toMatchObject({ code: "BACKEND_NOT_INSTALLED" });
    expect(server.requests).toEqual([]);
  });

  test("is not fetched in offline mode; what is here serves", async () => {
    expect((await rejection(install({ isOffline: true }))).message).toContain("offline mode");
    await putProgram("v0.9.1");
    expect(await install({ isOffline: true })).toMatchObject({ version: "v0.9.1", wasInstalledAlready: true });
  });

  test("does not exist on other systems, which is said with what is needed", async () => {
    const error = await rejection(install({ platform: "linux" }));
    expect(error).toMatchObject({ code: "BACKEND_NOT_INSTALLED", hint: expect.stringContaining("AMD Ryzen AI NPU") });
    await putProgram("v0.9.1");
    expect(await install({ platform: "linux" })).toMatchObject({ version: "v0.9.1", wasInstalledAlready: true });
  });
});
