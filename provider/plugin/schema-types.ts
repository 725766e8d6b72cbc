import { z } from "zod";

/** A property in Pulumi's schema language. */
export interface PropertySpec {
  readonly type?: string;
  readonly $ref?: string;
  readonly description?: string;
  readonly const?: string;
  readonly secret?: boolean;
  readonly willReplaceOnChanges?: boolean;
  readonly items?: PropertySpec;
  readonly additionalProperties?: PropertySpec;
  readonly oneOf?: readonly PropertySpec[];
  readonly discriminator?: { readonly propertyName: string; readonly mapping: Readonly<Record<string, string>> };
}

/** An object in Pulumi's schema language. */
export interface ObjectSpec {
  readonly type: "object";
  readonly description?: string;
  readonly properties: Readonly<Record<string, PropertySpec>>;
  readonly required?: readonly string[];
}

const jsonSchemaSchema = z.object({
  type: z.enum(["string", "boolean", "integer", "number", "array", "object"]).optional(),
  const: z.union([z.string(), z.number()]).optional(),
  get items() {
    return jsonSchemaSchema.optional();
  },
  get properties() {
    return z.record(z.string(), jsonSchemaSchema).optional();
  },
  required: z.array(z.string()).default([]),
  get additionalProperties() {
    return z.union([z.literal(false), jsonSchemaSchema]).optional();
  },
  get anyOf() {
    return z.array(jsonSchemaSchema).optional();
  },
  get oneOf() {
    return z.array(jsonSchemaSchema).optional();
  },
});
type JsonSchema = z.infer<typeof jsonSchemaSchema>;

const ANY: PropertySpec = { $ref: "pulumi.json#/Any" };

/**
 * Turns the schemas that inputs are checked with into Pulumi's language, and collects the types that they need, each under
 * a name (`Retention`, `RunStep`). What Pulumi cannot say (patterns, limits) is left to `check`.
 */
export class SchemaTypes {
  readonly types: Record<string, ObjectSpec> = {};

  /** @param members what to say of a type's member, by its name, or by `Type.name` where that means something else there */
  constructor(private readonly members: Readonly<Record<string, string>>) {}

  /** The properties of an object, and which of them must be there. */
  describe(schema: z.ZodType): { properties: Record<string, PropertySpec>; required: string[] } {
    const json = jsonSchemaSchema.parse(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
    const entries = Object.entries(json.properties ?? {}).filter(([name]) => !name.startsWith("__"));
    const properties = entries.map(([name, inner]) => [name, this.toProperty(inner, toPascal(name))] as const);
    return { properties: Object.fromEntries(properties), required: json.required };
  }

  /** Gives an object a name and a place among the types. */
  add(name: string, spec: Omit<ObjectSpec, "type">): PropertySpec {
    const token = `opencomputer:index:${name}`;
    this.types[token] = { type: "object", ...spec };
    return { $ref: `#/types/${token}` };
  }

  private toProperty(json: JsonSchema, name: string): PropertySpec {
    const choices = json.oneOf ?? json.anyOf;
    if (choices !== undefined) return this.toChoice(choices, name);
    if (json.type === "array") return { type: "array", items: this.toProperty(json.items ?? NO_SCHEMA, toOne(name)) };
    if (json.type === "object") return this.toObject(json, name);
    if (json.type === undefined) return ANY;
    return { type: json.type, ...(typeof json.const === "string" ? { const: json.const } : {}) };
  }

  private toObject(json: JsonSchema, name: string): PropertySpec {
    if (json.properties === undefined) {
      const values = json.additionalProperties || NO_SCHEMA;
      return { type: "object", additionalProperties: this.toProperty(values, toOne(name)) };
    }
    const entries = Object.entries(json.properties);
    const properties = entries.map(([key, inner]) => {
      const text = [`${name}.${key}`, key].find((one) => Object.hasOwn(this.members, one));
      const description = text === undefined ? {} : { description: this.members[text] };
      return [key, { ...this.toProperty(inner, key === "args" ? `${name}Options` : toPascal(key)), ...description }];
    });
    return this.add(name, { properties: Object.fromEntries(properties), required: json.required });
  }

  /** Objects that are told apart by a constant are named after it. */
  private toChoice(choices: readonly JsonSchema[], name: string): PropertySpec {
    const tag = ["type", "kind"].find((key) => choices.every(({ properties }) => properties?.[key]?.const));
    const tagOf = (choice: JsonSchema) => String((tag && choice.properties?.[tag]?.const) ?? "");
    const oneOf = choices.map((choice) => this.toProperty(choice, `${toPascal(tagOf(choice))}${name}`));
    if (tag === undefined) return { oneOf };
    const mapping = choices.map((choice, index) => [tagOf(choice), oneOf[index]?.$ref ?? ""] as const);
    return { oneOf, discriminator: { propertyName: tag, mapping: Object.fromEntries(mapping) } };
  }
}

const NO_SCHEMA: JsonSchema = { required: [] };

function toPascal(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

/** `Steps` is a list of `Step`, `Entries` of `Entry`. */
function toOne(name: string): string {
  return name.replace(/ies$/, "y").replace(/s$/, "");
}
