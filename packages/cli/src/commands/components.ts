import { QueryCommand } from '../base/base-command.js';
import { outputFlags } from '../base/flags.js';
import { indented, tableText } from '../report/text.js';

export class Components extends QueryCommand {
  static override summary = 'List the components lsbackup knows, the groups they are looked for in, and their options.';
  static override examples = ['<%= config.bin %> components'];
  static override flags = { ...outputFlags };

  protected async answer(): Promise<number> {
    const { flags } = await this.parse(Components);
    const { builtInComponents, z } = await import('@lsbackup/core');
    const components = builtInComponents.map(({ name, area, groups, after, options, selectors, stepKinds }) => ({
      name,
      area,
      groups,
      after,
      restores: stepKinds !== undefined,
      selectors: selectors ?? {},
      options: z.toJSONSchema(options, {
        io: 'input',
        unrepresentable: 'any',
        // Left out where a value is transformed; here every default is also something that could be written.
        override: ({ zodSchema: { _zod: schema }, jsonSchema }) => {
          if (schema.def.type === 'default') jsonSchema.default = schema.def.defaultValue;
        },
      }),
    }));
    if (flags.json) this.printDocument(components);
    else this.print(components.map(componentText).join('\n\n'));
    return Promise.resolve(0);
  }
}

interface ComponentDescription {
  readonly name: string;
  readonly area: string;
  readonly groups: readonly string[];
  readonly options: { readonly properties?: Readonly<Record<string, unknown>> | undefined };
  readonly restores: boolean;
  readonly selectors: Readonly<Record<string, string>>;
}

function componentText({ name, area, groups, options, restores, selectors }: ComponentDescription): string {
  const optionRows = Object.entries(options.properties ?? {}).map(([option, schema]) => optionRow(option, schema));
  const selectorRows = Object.entries(selectors).map(([key, meaning]) => [`${name}.${key}`, meaning]);
  return [
    `${name}${area === name ? '' : ` (area ${area})`}  groups: ${groups.join(', ')}${restores ? '' : '  (restored by hand: RESTORE.txt)'}`,
    ...(optionRows.length === 0 ? [] : [indented(tableText(['option', 'type', 'default', 'meaning'], optionRows))]),
    ...(selectorRows.length === 0 ? [] : [indented(tableText(['restore --select', 'meaning'], selectorRows))]),
  ].join('\n');
}

function optionRow(option: string, schema: unknown): string[] {
  const { default: byDefault, description } = isRecord(schema) ? schema : {};
  return [option, typeText(schema), cellText(byDefault), cellText(description)];
}

/** `string`, `string or array`, `"a" or "b"`. */
function typeText(schema: unknown): string {
  const { type, enum: values, anyOf } = isRecord(schema) ? schema : {};
  if (Array.isArray(anyOf)) return anyOf.map(typeText).join(' or ');
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' or ');
  if (Array.isArray(type)) return type.join(' or ');
  return cellText(type);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function cellText(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
