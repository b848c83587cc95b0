import type { InventoryValue } from '../inventory/inventory.js';
import { numberText, PythonFloat } from '../python/python-number.js';

/** What a name in a template stands for. */
export interface Reference {
  readonly value: InventoryValue;
  /** Never a template itself, whatever it looks like. Ansible treats values of `!vault` this way. */
  readonly literal: boolean;
  /** Where it was set, for messages: `file:line`. */
  readonly place: string | undefined;
  /** It stands in a file that is encrypted as a whole: no message has a word of it. */
  readonly hidden?: boolean | undefined;
}

/** A template that is more than references, or refers to what is not there; the message continues "VARIABLE ...". */
export class UnresolvedTemplate extends Error {}

const maximumReferences = 1000;
const maximumCharacters = 65_536;

/** Constructs of Jinja by what gives them away, in the order in which they are looked for. */
const constructs: readonly (readonly [RegExp, string])[] = [
  [/\bhostvars\b/, 'reads the variables of another host (hostvars)'],
  [/\b(?:lookup|query|q)\s*\(/, 'uses a lookup'],
  [/\|/, 'uses a filter'],
  [/\bif\b/, 'uses a condition'],
  [/\bis\b/, 'uses a test'],
  [/\(/, 'calls a function'],
  [/[[.]/, 'takes a part of a variable'],
  [/^[-+]|[-+]$/, 'strips the space around it'],
  [/["']/, 'holds a text in quotes'],
];

/**
 * Replaces each `{{ name }}` in a text by what `lookup` knows under the name, and templates in there in turn. A text that is one
 * reference and nothing else becomes that value with its type; in other text null is nothing and truth values are `True` and
 * `False`, as in Ansible's templates (checked against ansible-core 2.19). Text without braces is returned as it is. `hidden`: no message may have a word of the text.
 * Throws UnresolvedTemplate for everything else of Jinja, for names that `lookup` does not know, and for references in a circle.
 */
export function resolveReferences(
  text: string,
  lookup: (name: string) => Reference | undefined,
  hidden = false,
): InventoryValue {
  return new Resolver(lookup, hidden).resolve(text, []);
}

/** Whether Ansible would take the text for a template. */
export function isTemplate(text: string): boolean {
  return /\{[{%#]/.test(text);
}

class Resolver {
  private references = 0;

  constructor(
    private readonly lookup: (name: string) => Reference | undefined,
    private readonly hidden: boolean,
  ) {}

  /** `path` holds the names on the way to this text, each with its place. */
  resolve(text: string, path: readonly PathStep[]): InventoryValue {
    if (!isTemplate(text)) return text;
    const pieces = split(text, path);
    const [only, ...others] = pieces;
    if (only !== undefined && others.length === 0 && 'name' in only) return this.follow(only.name, path);
    const resolved = pieces
      .map((piece) => ('name' in piece ? textOf(this.follow(piece.name, path), piece.name, path) : piece.text))
      .join('');
    if (resolved.length > maximumCharacters) throw fault(path, 'is a template that grows too long');
    return resolved;
  }

  private follow(name: string, path: readonly PathStep[]): InventoryValue {
    this.references += 1;
    if (this.references > maximumReferences) throw fault(path, 'is a template with too many references');
    const repeated = path.findIndex((step) => step.name === name);
    if (repeated !== -1) {
      const circle = [...path.slice(repeated).map((step) => step.name), name].join(' > ');
      throw fault(path, `is a template that refers to itself: ${circle}`);
    }
    const found = this.lookup(name);
    if (found === undefined) {
      const shown = (path.at(-1)?.hidden ?? this.hidden) ? 'a variable' : `"${name}"`;
      throw fault(path, `is a template that refers to ${shown}, which the inventory does not set`);
    }
    if (found.literal || typeof found.value !== 'string') return found.value;
    const { place, hidden = false } = found;
    return this.resolve(found.value, [...path, { name, place, hidden }]);
  }
}

interface PathStep {
  readonly name: string;
  readonly place: string | undefined;
  readonly hidden: boolean;
}

type Piece = { readonly text: string } | { readonly name: string };

/** The text between references and the names in them, in order. */
function split(text: string, path: readonly PathStep[]): readonly Piece[] {
  const pieces: Piece[] = [];
  let position = 0;
  for (const opening of text.matchAll(/\{[{%#]/g)) {
    if (opening.index < position) continue;
    if (opening[0] !== '{{')
      throw fault(path, `is a template that has a ${opening[0] === '{%' ? 'statement' : 'comment'}`);
    const end = text.indexOf('}}', opening.index);
    if (end === -1) throw fault(path, 'is a template whose braces are not closed');
    if (opening.index > position) pieces.push({ text: text.slice(position, opening.index) });
    pieces.push({ name: nameIn(text.slice(opening.index + 2, end), path) });
    position = end + 2;
  }
  if (position < text.length) pieces.push({ text: text.slice(position) });
  return pieces;
}

/** Words that are values in Jinja and no names. */
const constants = new Set(['true', 'false', 'none', 'True', 'False', 'None']);

function nameIn(expression: string, path: readonly PathStep[]): string {
  const [, name] = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*$/.exec(expression) ?? [];
  if (name !== undefined && !constants.has(name)) return name;
  const found = constructs.find(([sign]) => sign.test(expression));
  throw fault(path, `is a template that ${found?.[1] ?? 'is more than the name of a variable'}`);
}

function textOf(value: InventoryValue, name: string, path: readonly PathStep[]): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value instanceof PythonFloat) return numberText(value);
  throw fault(path, `is a template that refers to "${name}", which is no text`);
}

function fault(path: readonly PathStep[], what: string): UnresolvedTemplate {
  const last = path.at(-1);
  if (last === undefined) return new UnresolvedTemplate(what);
  const place = last.place === undefined ? '' : ` (${last.place})`;
  return new UnresolvedTemplate(`refers to "${last.name}"${place}, which ${what}`);
}
