import * as v from "valibot";
import { errorMessage } from "../../errors.ts";
import { InstallFailedError } from "./install-error.ts";

export interface ReleaseHostOptions {
  /** A server that mirrors GitHub's addresses, with the API below `/api/v3` as on GitHub's own servers for companies. */
  readonly mirrorUrl?: string | undefined;
  /** GitHub token: raises the limit of API calls. It is sent to GitHub's API alone, never to a mirror. */
  readonly githubToken?: string | undefined;
}

export interface PublishedAsset {
  readonly name: string;
  readonly url: string;
  readonly sha256: string | undefined;
}

export interface PublishedRelease {
  readonly tag: string;
  readonly createdAtMs: number;
  readonly assets: readonly PublishedAsset[];
}

const Release = v.object({
  tag_name: v.string(),
  created_at: v.nullish(v.string()),
  assets: v.array(
    v.object({
      name: v.string(),
      browser_download_url: v.string(),
      // Published for every file uploaded since June 2025.
      digest: v.nullish(v.string()),
    }),
  ),
});

const API_TIMEOUT_MS = 20_000;

/** Where releases are looked up and fetched: GitHub, or a mirror of it. */
export class ReleaseHost {
  readonly #downloadUrl: string;
  readonly #apiUrl: string;
  readonly #token: string | undefined;

  constructor({ mirrorUrl, githubToken }: ReleaseHostOptions = {}) {
    const mirror = mirrorUrl?.replace(/\/+$/, "");
    this.#downloadUrl = mirror ?? "https://github.com";
    this.#apiUrl = mirror === undefined ? "https://api.github.com" : `${mirror}/api/v3`;
    this.#token = mirror === undefined ? githubToken : undefined;
  }

  /** Address of a file whose name is known; the API is not asked. */
  downloadUrl(repository: string, tag: string, name: string): string {
    return `${this.#downloadUrl}/${repository}/releases/download/${encodeURIComponent(tag)}/${encodeURIComponent(name)}`;
  }

  /**
   * The files of one release, or `undefined` when there is no such release.
   * @throws `INSTALL_FAILED` when the API cannot be reached or its limit is used up; says when it may be asked again.
   */
  async listAssets(repository: string, tag: string, signal?: AbortSignal): Promise<readonly PublishedAsset[] | undefined> {
    const response = await this.#get(`/repos/${repository}/releases/tags/${encodeURIComponent(tag)}`, signal);
    if (response.status === 404) return undefined;
    if (!response.ok) throw apiError(response, this.#token !== undefined);
    return this.#describe(repository, await parse(Release, response)).assets;
  }

  /**
   * The last hundred releases, in no particular order, or `undefined` when there is no such repository.
   * @throws `INSTALL_FAILED` as {@link listAssets}.
   */
  async listReleases(repository: string, signal?: AbortSignal): Promise<readonly PublishedRelease[] | undefined> {
    const response = await this.#get(`/repos/${repository}/releases?per_page=100`, signal);
    if (response.status === 404) return undefined;
    if (!response.ok) throw apiError(response, this.#token !== undefined);
    return (await parse(v.array(Release), response)).map((release) => this.#describe(repository, release));
  }

  #describe(repository: string, { tag_name: tag, created_at: createdAt, assets }: v.InferOutput<typeof Release>): PublishedRelease {
    return {
      tag,
      createdAtMs: Date.parse(createdAt ?? "") || 0,
      assets: assets.map(({ name, digest }) => ({
        name,
        // Not the address of the answer: a mirror may have copied the answer from GitHub.
        url: this.downloadUrl(repository, tag, name),
        sha256: /^sha256:([0-9a-f]{64})$/.exec(digest ?? "")?.[1],
      })),
    };
  }

  async #get(path: string, signal: AbortSignal | undefined): Promise<Response> {
    const timeout = AbortSignal.timeout(API_TIMEOUT_MS);
    const headers = { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28", "user-agent": "lemon.ts" };
    const options = { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) };
    const url = this.#apiUrl + path;
    try {
      const authorization = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
      const first = await fetch(url, { ...options, headers: { ...headers, ...authorization }, redirect: "manual" });
      const location = first.headers.get("location");
      if (first.status < 300 || first.status >= 400 || location === null) return first;
      // A renamed repository. Wherever it leads, the token does not go along.
      await first.body?.cancel();
      return await fetch(new URL(location, url), { ...options, headers });
    } catch (error) {
      signal?.throwIfAborted();
      throw new InstallFailedError(`Cannot reach ${new URL(url).host}: ${errorMessage(error)}`, {
        cause: error,
        hint: "Check the network; what is installed already works without it.",
      });
    }
  }
}

async function parse<T>(schema: v.GenericSchema<unknown, T>, response: Response): Promise<T> {
  const parsed = v.safeParse(schema, await response.json().catch(() => undefined));
  if (!parsed.success) throw new InstallFailedError(`${response.url} answered with something that is no release`);
  return parsed.output;
}

/** Files whose names are known come without the API too, unlike the digests that they should have: the user is told. */
export function unverifiedWarning(what: string, { message, hint }: InstallFailedError): string {
  return `${what} could not be compared with its published digest: ${message}.${hint === undefined ? "" : ` ${hint}`}`;
}

function apiError(response: Response, hasToken: boolean): InstallFailedError {
  const { host } = new URL(response.url);
  const { status, headers } = response;
  if (status === 401) return new InstallFailedError(`${host} does not accept the token in GITHUB_TOKEN`, { hint: "Renew or unset it." });
  const isLimited = status === 429 || (status === 403 && (headers.get("x-ratelimit-remaining") === "0" || headers.has("retry-after")));
  if (!isLimited) return new InstallFailedError(`${host} answered with status ${status}`);
  const until = limitEnd(headers);
  return new InstallFailedError(
    `${host} takes no more questions from this address${until === undefined ? " for now" : ` until ${until}`}`,
    {
      hint: hasToken ? "Try again then." : "Try again then, or set GITHUB_TOKEN: any token of any account raises the limit.",
    },
  );
}

/** When the limit ends, as a time of day in UTC: our own clock stays out of it. */
function limitEnd(headers: Headers): string | undefined {
  const resetSeconds = Number(headers.get("x-ratelimit-reset"));
  if (!Number.isFinite(resetSeconds) || resetSeconds <= 0) return undefined;
  return `${new Date(resetSeconds * 1000).toISOString().slice(11, 16)} UTC`;
}
