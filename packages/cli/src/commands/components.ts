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
    const components = builtInComponents.map(({ name, area, groups, after, options }) => ({
      name,
      area,
      groups,
      after,
      options: z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }),
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
}

function componentText({ name, area, groups, options }: ComponentDescription): string {
  const rows = Object.entries(options.properties ?? {}).map(([option, schema]) => optionRow(option, schema));
  const head = `${name}${area === name ? '' : ` (area ${area})`}  groups: ${groups.join(', ')}`;
  return rows.length === 0 ? head : `${head}\n${indented(tableText(['option', 'type', 'default', 'meaning'], rows))}`;
}

function optionRow(option: string, schema: unknown): string[] {
  const facts = typeof schema === 'object' && schema !== null ? (schema as Readonly<Record<string, unknown>>) : {};
  const text = (value: unknown): string =>
    value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  return [option, text(facts['type'] ?? facts['enum']), text(facts['default']), text(facts['description'])];
}
