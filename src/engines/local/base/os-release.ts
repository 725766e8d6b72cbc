/** The facts of an `os-release` file that matter here; an empty string where one is not there. */
export interface OsRelease {
  /** `debian`, `ubuntu`, … */
  readonly id: string;
  /** `12`, `22.04`, … */
  readonly version: string;
  /** The release whose archives the system uses: for derivatives of Ubuntu, Ubuntu's. */
  readonly codename: string;
  /** For people: `Debian 12 (bookworm)`. */
  readonly description: string;
}

/** Parses `os-release(5)`. */
export function parseOsRelease(text: string): OsRelease {
  const fields = Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const match = /^([A-Z_]+)=(["']?)(.*)\2\s*$/.exec(line);
      return match ? [[match[1] ?? "", match[3] ?? ""]] : [];
    }),
  );
  const version = fields["VERSION_ID"] ?? "";
  const codename = fields["UBUNTU_CODENAME"] ?? fields["VERSION_CODENAME"] ?? "";
  const id = fields["UBUNTU_CODENAME"] ? "ubuntu" : (fields["ID"] ?? "");
  const name = (fields["NAME"] ?? "an unnamed system").replace(" GNU/Linux", "");
  const shown = fields["VERSION_CODENAME"] ? `(${fields["VERSION_CODENAME"]})` : "";
  return { id, version, codename, description: [name, version, shown].filter((part) => part !== "").join(" ") };
}
