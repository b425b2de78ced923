import { access } from "node:fs/promises";
import { InstallFailedError, type RunCommandOptions, runCommand } from "../../install/index.ts";

export type BuildTool = "git" | "cmake" | "c++ compiler" | "make or ninja";
export type PackageManager = "apt" | "dnf" | "pacman" | "zypper" | "apk" | "brew" | "xcode-select" | "winget";

export interface BuildTools {
  readonly hasNinja: boolean;
}

type ToolEnvironment = Pick<RunCommandOptions, "env" | "signal">;

const PROBE_TIMEOUT_MS = 20_000;

/**
 * Looks for the programs that compile llama.cpp.
 * @throws `INSTALL_FAILED` that names exactly what is missing, and as hint the command that installs it here.
 */
export async function findBuildTools(environment: ToolEnvironment = {}): Promise<BuildTools> {
  const answers = async (command: string, ...args: string[]): Promise<boolean> =>
    (await runCommand(command, args, { ...environment, timeoutMs: PROBE_TIMEOUT_MS })).exitCode === 0;
  const firstOf = async (...commands: string[]): Promise<boolean> =>
    (await Promise.all(commands.map((command) => answers(command, "--version")))).includes(true);

  // Without the command line tools, macOS has stubs of git, make and c++ that open a window instead of answering.
  if (process.platform === "darwin" && !(await answers("xcode-select", "-p"))) {
    const missing: BuildTool[] = ["git", "c++ compiler", "make or ninja"];
    if (!(await answers("cmake", "--version"))) missing.push("cmake");
    throw missingToolsError(missing, ["xcode-select", ...(missing.includes("cmake") ? (["brew"] as const) : [])]);
  }
  const isWindows = process.platform === "win32";
  const [hasGit, hasCmake, hasCompiler, hasNinja, hasMake] = await Promise.all([
    answers("git", "--version"),
    answers("cmake", "--version"),
    isWindows ? hasVisualStudio() : firstOf("c++", "g++", "clang++"),
    // On Windows CMake finds Visual Studio by itself and ninja only inside its own command prompt.
    isWindows ? false : firstOf("ninja"),
    isWindows ? true : firstOf("make", "gmake"),
  ]);
  const found: Record<BuildTool, boolean> = {
    git: hasGit,
    cmake: hasCmake,
    "c++ compiler": hasCompiler,
    "make or ninja": hasNinja || hasMake,
  };
  const missing = (Object.keys(found) as BuildTool[]).filter((tool) => !found[tool]);
  if (missing.length > 0) throw missingToolsError(missing, await findPackageManagers(answers));
  return { hasNinja };
}

/** Visual Studio's installer keeps this program at the same place in every version. */
async function hasVisualStudio(): Promise<boolean> {
  const paths = ["C:\\Program Files (x86)", "C:\\Program Files"].map(
    (folder) => `${folder}\\Microsoft Visual Studio\\Installer\\vswhere.exe`,
  );
  const found = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

async function findPackageManagers(answers: (command: string, ...args: string[]) => Promise<boolean>): Promise<PackageManager[]> {
  if (process.platform === "darwin") return ["brew"];
  if (process.platform === "win32") return ["winget"];
  for (const [manager, command] of [
    ["apt", "apt-get"],
    ["dnf", "dnf"],
    ["pacman", "pacman"],
    ["zypper", "zypper"],
    ["apk", "apk"],
  ] as const) {
    if (await answers(command, "--version")) return [manager];
  }
  return [];
}

export function missingToolsError(missing: readonly BuildTool[], managers: readonly PackageManager[]): InstallFailedError {
  const names = missing.join(", ").replaceAll("c++", "C++");
  return new InstallFailedError(`Building llama.cpp needs programs that are not on PATH: ${names}`, {
    hint: installHint(missing, managers),
  });
}

const PACKAGES: Record<Exclude<PackageManager, "xcode-select" | "winget">, Record<BuildTool, string>> = {
  apt: { git: "git", cmake: "cmake", "c++ compiler": "g++", "make or ninja": "ninja-build" },
  dnf: { git: "git", cmake: "cmake", "c++ compiler": "gcc-c++", "make or ninja": "ninja-build" },
  pacman: { git: "git", cmake: "cmake", "c++ compiler": "gcc", "make or ninja": "ninja" },
  zypper: { git: "git", cmake: "cmake", "c++ compiler": "gcc-c++", "make or ninja": "ninja" },
  apk: { git: "git", cmake: "cmake", "c++ compiler": "g++ musl-dev linux-headers", "make or ninja": "ninja" },
  brew: { git: "git", cmake: "cmake", "c++ compiler": "llvm", "make or ninja": "ninja" },
};

const COMMANDS: Record<keyof typeof PACKAGES, string> = {
  apt: "sudo apt-get install",
  dnf: "sudo dnf install",
  pacman: "sudo pacman -S",
  zypper: "sudo zypper install",
  apk: "sudo apk add",
  brew: "brew install",
};

const WINGET: Record<BuildTool, string> = {
  git: "Git.Git",
  cmake: "Kitware.CMake",
  "c++ compiler": 'Microsoft.VisualStudio.2022.BuildTools --override "--add Microsoft.VisualStudio.Workload.VCTools --passive"',
  "make or ninja": "Ninja-build.Ninja",
};

/** One sentence with the command that installs `missing`, by the package managers that the machine has. */
export function installHint(missing: readonly BuildTool[], managers: readonly PackageManager[]): string {
  if (managers.length === 0) return "Install them with the system's package manager, then try again.";
  // The command line tools bring everything but CMake.
  const hasXcode = managers.includes("xcode-select");
  const commands = managers.flatMap((manager) => {
    if (manager === "xcode-select") return ["xcode-select --install"];
    if (manager === "winget") return missing.map((tool) => `winget install ${WINGET[tool]}`);
    const wanted = manager === "brew" && hasXcode ? missing.filter((tool) => tool === "cmake") : missing;
    return wanted.length === 0 ? [] : [`${COMMANDS[manager]} ${wanted.map((tool) => PACKAGES[manager][tool]).join(" ")}`];
  });
  return `Install with: ${commands.join(" && ")}`;
}
