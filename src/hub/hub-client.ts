import * as v from "valibot";
import { RouterError } from "../errors.ts";
import { isSafeBlobName, isSafeRepoPath, normalizeEtag } from "../model/index.ts";
import { ModelInfoAnswer, SearchAnswer, TreeAnswer } from "./answers.ts";
import { systemClock, type Clock } from "./clock.ts";
import type { ContentName } from "./content-name.ts";
import { refusalError, type Subject } from "./refusal.ts";
import { retrying } from "./retry.ts";
import type { HubSettings } from "./settings.ts";
import { connectionError, HubTransport, originOf, type Answer } from "./transport.ts";

export interface RepoSummary {
  readonly repo: string;
  readonly downloads: number;
  readonly likes: number;
  readonly isPrivate: boolean;
  readonly isGated: boolean;
  /** ISO 8601. */
  readonly lastModified: string | undefined;
}

export interface RepoInfo extends RepoSummary {
  /** What the revision names at this moment. */
  readonly commit: string;
}

export interface RemoteFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Absent where the hub does not say. */
  readonly content: ContentName | undefined;
}

export interface FileList {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

export interface FileMetadata {
  readonly commit: string;
  /** Name of the blob in the cache. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly content: ContentName | undefined;
  /** Where the bytes are; signed and short-lived on another origin. */
  readonly url: string;
}

export interface Revision {
  /** Branch, tag or commit. Defaults to `main`. */
  readonly revision?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

type About = Omit<Subject, "endpoint" | "hasToken">;

/** Questions are asked by somebody who waits, so they are given up sooner than downloads. */
const MAX_ATTEMPTS = 4;
/** A long file list may take this many times as long as the first byte of it. */
const BODY_TIMEOUTS = 3;
/** A repository of a million files is a mistake or an attack. */
const MAX_TREE_PAGES = 1000;

/** Asks a Hugging Face hub about repositories and files. */
export class HubClient {
  readonly settings: HubSettings;
  readonly transport: HubTransport;
  readonly #clock: Clock;

  constructor(settings: HubSettings, { clock = systemClock }: { clock?: Clock | undefined } = {}) {
    this.settings = settings;
    this.transport = new HubTransport(settings, clock);
    this.#clock = clock;
  }

  /** @throws {@link RouterError} `HUB_NOT_FOUND`, `HUB_UNAUTHORIZED`, `HUB_UNREACHABLE`, `HUB_RATE_LIMITED`, `OFFLINE`. */
  async repoInfo(repo: string, { revision = "main", signal }: Revision = {}): Promise<RepoInfo> {
    const url = `${this.settings.endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}`;
    const { value } = await this.#getJson(url, ModelInfoAnswer, { repo, revision }, signal);
    return { ...summaryOf(value), repo, commit: value.sha };
  }

  /** All files of one commit with their sizes and hashes. Paths that would leave a folder are left out. */
  async listFiles(repo: string, { revision = "main", signal }: Revision = {}): Promise<FileList> {
    const { commit } = await this.repoInfo(repo, { revision, signal });
    const files: RemoteFile[] = [];
    let next: string | undefined = `${this.settings.endpoint}/api/models/${repo}/tree/${commit}?recursive=true`;
    for (let page = 0; next !== undefined; page++) {
      if (page >= MAX_TREE_PAGES) throw new RouterError("DOWNLOAD_FAILED", `${repo} has more files than a model can have`);
      const { value, answer }: { value: v.InferOutput<typeof TreeAnswer>; answer: Answer } = await this.#getJson(
        next,
        TreeAnswer,
        { repo, revision },
        signal,
      );
      for (const item of value) if (item.type === "file" && isSafeRepoPath(item.path)) files.push(remoteFile(item));
      next = nextPage(answer);
    }
    return { repo, commit, files };
  }

  /** Repositories whose names hold every word of the query, most downloaded first. */
  async search(
    query: string,
    {
      filter = "gguf",
      limit = 20,
      signal,
    }: { filter?: string | undefined; limit?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<readonly RepoSummary[]> {
    const parameters = new URLSearchParams({ search: query, filter, sort: "downloads", direction: "-1", limit: String(limit) });
    const { value } = await this.#getJson(`${this.settings.endpoint}/api/models?${parameters.toString()}`, SearchAnswer, {}, signal);
    return value.map(summaryOf);
  }

  /** What the hub says about one file, and where its bytes are. Asks once: retrying is the caller's matter. */
  async fileMetadata(repo: string, path: string, { revision = "main", signal }: Revision = {}): Promise<FileMetadata> {
    const url = `${this.settings.endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${path.split("/").map(encodeURIComponent).join("/")}`;
    const answer = await this.transport.send(url, { method: "HEAD", stopAtOtherOrigin: true, signal });
    const { response, facts, location } = answer;
    if (!response.ok && location === undefined) {
      const error = refusalError(response, await this.#subject({ repo, revision, path }));
      throw response.headers.get("x-error-code") === "EntryNotFound" ? new EntryNotFoundError(error, facts.get("x-repo-commit")) : error;
    }
    const linkedEtag = facts.get("x-linked-etag");
    const etag = normalizeEtag(linkedEtag ?? response.headers.get("etag") ?? "");
    const size = Number(
      facts.get("x-linked-size") ?? (location === undefined ? response.headers.get("content-length") : null) ?? Number.NaN,
    );
    const commit = facts.get("x-repo-commit");
    if (commit === null || !isSafeBlobName(etag) || !Number.isSafeInteger(size)) {
      throw new RouterError("DOWNLOAD_FAILED", `${originOf(url)} does not describe ${path} as a model hub does`, {
        hint: "Check HF_ENDPOINT, and that no proxy answers in the hub's place.",
      });
    }
    return { commit, etag, sizeBytes: size, content: contentNameOf(etag, linkedEtag !== null), url: location ?? answer.url };
  }

  async #subject(about: About): Promise<Subject> {
    return { endpoint: this.settings.endpoint, hasToken: (await this.transport.token()) !== undefined, ...about };
  }

  async #getJson<T extends v.GenericSchema>(
    url: string,
    schema: T,
    about: About,
    signal: AbortSignal | undefined,
  ): Promise<{ value: v.InferOutput<T>; answer: Answer }> {
    return await retrying(
      async () => {
        const { answer, text } = await this.#getText(url, about, signal);
        const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
        if (parsed.success) return { value: parsed.output, answer };
        throw new RouterError("DOWNLOAD_FAILED", `${originOf(url)} does not answer as a model hub does: ${v.summarize(parsed.issues)}`, {
          hint: "Check HF_ENDPOINT, and that no proxy answers in the hub's place.",
        });
      },
      { clock: this.#clock, signal, maxAttempts: MAX_ATTEMPTS },
    );
  }

  async #getText(url: string, about: About, signal: AbortSignal | undefined): Promise<{ answer: Answer; text: string }> {
    // The headers have a deadline of their own; this one is for an answer that stops in the middle.
    const deadline = AbortSignal.timeout(BODY_TIMEOUTS * this.settings.metadataTimeoutMs);
    try {
      const answer = await this.transport.send(url, { signal: signal ? AbortSignal.any([signal, deadline]) : deadline });
      if (answer.response.ok) return { answer, text: await answer.response.text() };
      await answer.response.body?.cancel();
      throw refusalError(answer.response, await this.#subject(about));
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof RouterError ? error : connectionError(error, url);
    }
  }
}

/** The hub knows the commit and says that it has no such path. */
export class EntryNotFoundError extends RouterError {
  override readonly name = "EntryNotFoundError";
  readonly commit: string | undefined;

  constructor(error: RouterError, commit: string | null) {
    super(error.code, error.message, { hint: error.hint });
    this.commit = commit ?? undefined;
  }
}

function summaryOf(answer: v.InferOutput<typeof SearchAnswer>[number]): RepoSummary {
  const { id, downloads, likes, lastModified } = answer;
  return { repo: id, downloads, likes, lastModified, isPrivate: answer.private, isGated: answer.gated !== false };
}

function remoteFile(item: v.InferOutput<typeof TreeAnswer>[number]): RemoteFile {
  const name = item.lfs ? item.lfs.oid.replace(/^sha256:/, "") : item.oid;
  return {
    path: item.path,
    sizeBytes: item.lfs?.size ?? item.size,
    content: name === undefined ? undefined : contentNameOf(name, item.lfs !== undefined && item.lfs !== null),
  };
}

/** Only a linked entity tag is a SHA-256: file servers and mirrors have 64-digit tags of their own. */
function contentNameOf(etag: string, isLinked: boolean): ContentName | undefined {
  if (isLinked && /^[0-9a-f]{64}$/.test(etag)) return { algorithm: "sha256", hex: etag };
  return /^[0-9a-f]{40}$/.test(etag) ? { algorithm: "git-sha1", hex: etag } : undefined;
}

/** The address of the next page, which must be the hub's own: half a list would be taken for a whole one. */
function nextPage(answer: Answer): string | undefined {
  const link = /<(?<url>[^>]+)>\s*;\s*rel="?next"?/.exec(answer.response.headers.get("link") ?? "")?.groups?.["url"];
  const url = link === undefined ? undefined : new URL(link, answer.url).href;
  if (url === undefined || originOf(url) === originOf(answer.url)) return url;
  throw new RouterError("DOWNLOAD_FAILED", `${originOf(answer.url)} continues its list of files on another host, ${originOf(url)}`);
}
