import { expect, test } from "vitest";
import {
  aptDestinations,
  environmentDestinations,
  resolverDestinations,
} from "../../../src/engines/local/host-destinations";

const tcp = (text: string) => {
  const [host = "", port] = text.split(":");
  return { host, port: Number(port), protocol: "tcp" };
};

test.each<[string, Record<string, string>, string[]]>([
  ["an index", { PIP_INDEX_URL: "https://pip.example/simple" }, ["pip.example:443"]],
  ["several", { PIP_EXTRA_INDEX_URL: "http://one:8080/a  https://two/b" }, ["one:8080", "two:443"]],
  ["proxies of Go", { GOPROXY: "https://go.example,http://10.1.2.3:81|direct,off" }, ["go.example:443", "10.1.2.3:81"]],
  ["a proxy without a scheme", { https_proxy: "me:se/cr@et@proxy:3128" }, ["proxy:3128"]],
  ["a password", { npm_config_registry: "https://me:se/cr#et@npm.example/x" }, ["npm.example:443"]],
  ["a proxy of another kind", { ALL_PROXY: "socks5://10.0.0.9" }, ["10.0.0.9:1080"]],
  ["what is no destination", { NO_PROXY: "10.0.0.1", PIP_TRUSTED_HOST: "10.0.0.2", PIP_INDEX_URL: "/wheels" }, []],
])("of an environment: %s", (_, env, destinations) => {
  expect(environmentDestinations(env)).toEqual(destinations.map(tcp));
});

test.each<[string, string, string[]]>([
  ["lines", "deb [trusted=yes] http://a.example:81/debian ./\n# deb http://b.example/ x y\n", ["a.example:81"]],
  ["paragraphs", "Types: deb\nURIs: https://me:pw@a.example/x http://10.2.3.4/y\n", ["a.example:443", "10.2.3.4:80"]],
  ["mirror lists", "deb mirror+https://m.example/list x y\ndeb file:/srv x y\ndeb cdrom:[a]/ x y\n", ["m.example:443"]],
])("of a source list: %s", (_, sources, destinations) => {
  expect(aptDestinations(sources)).toEqual(destinations.map(tcp));
});

test("of a resolv.conf: port 53 of those with an IPv4 address", () => {
  const said = "search a.b\n# nameserver 10.0.0.9\nnameserver 10.0.0.1\nnameserver fd00::1\n nameserver 192.0.2.1\n";
  expect(resolverDestinations(said)).toEqual(
    ["10.0.0.1", "192.0.2.1"].flatMap((host) => ["udp", "tcp"].map((protocol) => ({ host, port: 53, protocol }))),
  );
});
