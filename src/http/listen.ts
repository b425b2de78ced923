import { RouterError } from "../errors.ts";

export interface Listener {
  readonly port: number;
  /** Stops accepting; resolves once running requests are done, or at once when forced. */
  stop(options: { force: boolean }): Promise<void>;
}

/** The largest request body, in bytes: that of llama-server. */
const MAX_BODY_BYTES = 100 * 2 ** 20;

/** The addresses that a host name of ours stands for: `localhost` is both loopbacks, since clients resolve it either way. */
function addressesOf(host: string): readonly string[] {
  return host === "localhost" ? ["127.0.0.1", "::1"] : [host];
}

/**
 * Listens on every address of `host`; on a machine without IPv6 the second loopback is left out.
 * @throws {@link RouterError} `PORT_IN_USE`.
 */
export function listen(options: { host: string; port: number; fetch: (request: Request) => Response | Promise<Response> }): Listener {
  const servers: Bun.Server<undefined>[] = [];
  let { port } = options;
  for (const hostname of addressesOf(options.host)) {
    try {
      const server = Bun.serve({
        hostname,
        port,
        fetch: options.fetch,
        idleTimeout: 0, // A model may load for minutes before its first byte; our own timers are idle timers.
        maxRequestBodySize: MAX_BODY_BYTES,
      });
      servers.push(server);
      port = server.port ?? port;
    } catch (error) {
      if (servers.length > 0 && (error as NodeJS.ErrnoException).code !== "EADDRINUSE") continue;
      for (const server of servers) void server.stop(true);
      throw listenError(options, error);
    }
  }
  return {
    port,
    async stop({ force }) {
      await Promise.all(servers.map((server) => server.stop(force)));
    },
  };
}

function listenError({ host, port }: { host: string; port: number }, error: unknown): RouterError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") return new RouterError("PORT_IN_USE", `Port ${port} is taken`, { cause: error });
  return new RouterError("PORT_IN_USE", `Cannot listen on ${host}, port ${port}: ${(error as Error).message}`, { cause: error });
}
