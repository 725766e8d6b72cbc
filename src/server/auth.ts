import type { Readable, Writable } from "node:stream";
import type { Context, MiddlewareHandler } from "hono";
import { OpenComputerError } from "../errors";
import { findOrganisation } from "./services/api-keys";
import type { Flow, Quotas } from "./services/quotas";
import type { OrgStore, Store } from "./store/store";

/** What every authenticated request has. */
export interface AppEnv {
  readonly Bindings: {
    /** The answer on its way; absent where there is no connection, in the same process. */
    readonly outgoing?: Writable;
    /** The request as it comes in; absent where there is no connection. */
    readonly incoming?: Readable;
  };
  readonly Variables: {
    /** The rows of the caller's organisation, and no others. */
    org: OrgStore;
    /** Counts something that the organisation begins, until the answer is called. @throws quota_exceeded */
    enter: (flow: Flow, amount?: number) => () => void;
  };
}

/**
 * Lets in who has a key, as `X-API-Key`, `Authorization: Bearer` or `?api_key=`, and scopes the request to its
 * organisation, which has a limited number of them at a time.
 */
export function authenticate(store: Store, quotas: Quotas): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const key = keyOf(c);
    if (!key) throw new OpenComputerError("unauthorized", "missing API key; send it in the X-API-Key header");
    const orgId = await findOrganisation(store, key);
    if (orgId === undefined) throw new OpenComputerError("unauthorized", "invalid API key");
    c.set("org", store.forOrg(orgId));
    c.set("enter", (flow, amount) => quotas.enter(orgId, flow, amount));
    const leave = quotas.enter(orgId, "requests");
    const { outgoing } = c.env ?? {};
    outgoing?.once("close", leave);
    try {
      await next();
    } finally {
      // A request is over when its answer was read, or will never be.
      if (outgoing === undefined || outgoing.destroyed) leave();
    }
  };
}

/**
 * Refuses requests for host names that are not ours: a web page that a name was rebound for (DNS rebinding) says its own
 * name here. A bare IP address cannot be rebound, so a server on all addresses answers to those.
 */
export function checkHost(names: readonly string[], boundHost: string): MiddlewareHandler {
  const known = new Set(["localhost", "127.0.0.1", "[::1]", bracketed(boundHost), ...names.map(bracketed)]);
  const onAll = boundHost === "0.0.0.0" || boundHost === "::";
  return async (c, next) => {
    // A request line may name a host of its own, which then counts.
    const hosts = [new URL(c.req.url).host, c.req.header("host") ?? ""].filter((host) => host !== "").map(hostName);
    const stranger = hosts.find((name) => !known.has(name) && !(onAll && isAddress(name)));
    if (stranger === undefined) return await next();
    const message = `this server does not answer to the host name ${stranger}; allow it with OPENCOMPUTER_ALLOWED_HOSTS`;
    return c.json({ ...new OpenComputerError("unauthorized", message).toJSON() }, 403);
  };
}

function keyOf(c: Context): string | undefined {
  const bearer = /^Bearer +(.+)$/i.exec(c.req.header("authorization") ?? "");
  return c.req.header("x-api-key") || bearer?.[1] || c.req.query("api_key");
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, "").toLowerCase();
}

function bracketed(host: string): string {
  const lower = host.toLowerCase();
  return lower.includes(":") && !lower.startsWith("[") ? `[${lower}]` : lower;
}

function isAddress(name: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(name) || name.startsWith("[");
}
