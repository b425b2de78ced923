import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { RouterError } from "../errors.ts";

/** EMFILE: this process has as many files and connections open as it may; ENFILE: the whole system has. */
const CODES: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE"]);

/** Whether an error, or what caused it, says that there was no file descriptor left. */
export function saysNoDescriptors(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    // Bun's error of a module that could not be read has no code.
    if (CODES.has((cause as NodeJS.ErrnoException).code) || CODES.has(cause.message.split(" ", 1)[0])) return true;
  }
  return false;
}

/**
 * What to tell instead of an error that came only because no file descriptor was left; `undefined` when that was not why. Some errors of
 * Bun (a port that cannot be bound, a module that is not found) do not name the cause: there the next open file shows it.
 */
export function outOfDescriptors(error: unknown): RouterError | undefined {
  if (!saysNoDescriptors(error) && (error instanceof RouterError || canOpen(1))) return undefined;
  return tooManyOpen(error);
}

/** What has loaded its code. */
const loaded = new WeakSet<() => Promise<unknown>>();

/**
 * Loads code that is needed for the first time. Bun never forgets a module that it could not read, so nothing is read while file
 * descriptors are short. Where it is called thousands of times, `load` is the same function each time: a look costs dozens of system calls.
 */
export async function importLater<T>(load: () => Promise<T>): Promise<T> {
  if (!loaded.has(load) && !canOpen(READ_AT_ONCE)) throw tooManyOpen();
  const module = await load();
  loaded.add(load);
  return module;
}

/** Bun's one thread behind every request that this process sends. */
let isFetchReady = false;

/**
 * To be called before the first request of this process: Bun ends the whole process when that one finds no file descriptor, while later
 * ones merely fail. Nothing is sent to port 0.
 */
export function prepareFetch(): void {
  if (isFetchReady) return;
  if (!canOpen(READ_AT_ONCE)) throw tooManyOpen();
  isFetchReady = true;
  fetch("http://127.0.0.1:0/").catch(() => {});
}

/** More files than Bun opens at once to read the modules behind one. */
const READ_AT_ONCE = 32;

function tooManyOpen(cause?: unknown): RouterError {
  return new RouterError("OUT_OF_DESCRIPTORS", "The server has as many files and connections open as the system allows", {
    cause,
    hint: "Try again once some have ended, or start the server with a higher limit (`ulimit -n`).",
  });
}

function canOpen(count: number): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync(devNull, "r"));
    return true;
  } catch (error) {
    return !saysNoDescriptors(error);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}
