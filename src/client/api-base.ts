import { invalidInput } from "../errors";

/**
 * The base that every path of the wire is joined to: the URL without trailing slashes, with `/api` added where it does
 * not end in it, as the official clients do.
 *
 * @throws invalid_input where it is no http(s) URL or holds a user or password
 * @example toApiBase("http://127.0.0.1:8080/") // "http://127.0.0.1:8080/api"
 */
export function toApiBase(apiUrl: string): string {
  const problem = findProblem(apiUrl);
  if (problem) throw invalidInput("the server's URL", [{ path: "apiUrl", message: problem }]);
  const trimmed = apiUrl.trim().replace(/\/+$/, "");
  return trimmed.endsWith("/api") ? trimmed : `${trimmed}/api`;
}

/** True where the host of a URL is this machine itself: no proxy leads there. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function findProblem(apiUrl: string): string | undefined {
  const url = URL.canParse(apiUrl) ? new URL(apiUrl) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    return `must be an http or https URL such as http://127.0.0.1:8080, not ${JSON.stringify(apiUrl)}`;
  }
  if (url.username || url.password) return "must not contain a user or password; give the key as apiKey";
  if (url.search || url.hash) return `must not have a query or fragment (${url.search}${url.hash})`;
  return undefined;
}
