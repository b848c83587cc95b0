import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import type { InventoryValue } from '../inventory/inventory.js';
import { resolveReferences, UnresolvedTemplate } from './template.js';

/** The results below are those of `ansible-playbook` (ansible-core 2.19) with the same variables. */
const variables = new Map<string, InventoryValue>([
  ['s', 'abc'],
  ['n', 22],
  ['f', 1.5],
  ['b', true],
  ['z', null],
  ['l', [1, 2]],
  ['big', 123456789012345678901234567890n],
  ['empty', ''],
  ['digits', '22'],
  ['one', '{{ s }}'],
  ['two', '{{ n }}'],
  ['secret', 'sésame{{ x }}'],
  ['filtered', '{{ s | upper }}'],
  ['far', 'x{{ filtered }}'],
  ['self', '{{ self }}'],
  ['ping', 'a{{ pong }}'],
  ['pong', '{{ ping }}'],
]);

function resolve(text: string): InventoryValue {
  return resolveReferences(text, (name) => {
    const value = variables.get(name);
    return value === undefined ? undefined : { value, literal: name === 'secret', place: `/b/hosts:${name.length}` };
  });
}

function fault(text: string): unknown {
  try {
    return resolve(text);
  } catch (error) {
    if (error instanceof UnresolvedTemplate) return error.message;
    throw error;
  }
}

describe('resolveReferences', () => {
  it.each<[string, InventoryValue]>([
    ['plain } text }} {', 'plain } text }} {'],
    ['', ''],
    ['{{ s }}', 'abc'],
    ['{{s}}', 'abc'],
    ['{{\n s\n}}', 'abc'],
    ['{{ n }}', 22],
    ['{{ f }}', 1.5],
    ['{{ b }}', true],
    ['{{ z }}', null],
    ['{{ big }}', 123456789012345678901234567890n],
    ['{{ l }}', [1, 2]],
    ['{{ digits }}', '22'],
    ['{{ digits }}{{ digits }}', '2222'],
    [' {{ z }}', ' '],
    ['  {{ s }}  ', '  abc  '],
    ['}} {{ s }}\n', '}} abc\n'],
    ['{{s}}-{{n}}-{{f}}-{{b}}-{{z}}-{{big}}-{{empty}}', 'abc-22-1.5-True--123456789012345678901234567890-'],
    ['{{ one }}/{{ two }}', 'abc/22'],
    ['{{ two }}', 22],
    ['{{ secret }}', 'sésame{{ x }}'],
    ['a{{ secret }}b', 'asésame{{ x }}b'],
  ])('%j is %j', (text, value) => {
    expect(resolve(text)).toEqual(value);
  });

  it.each([
    ['{{ s | upper }}', 'is a template that uses a filter'],
    ['{{ hostvars["a"].ip }}', 'is a template that reads the variables of another host (hostvars)'],
    ['{{ lookup("env", "X") }}', 'is a template that uses a lookup'],
    ['{{ s if b else n }}', 'is a template that uses a condition'],
    ['{{ s is defined }}', 'is a template that uses a test'],
    ['{{ range(3) }}', 'is a template that calls a function'],
    ['{{ l[0] }}', 'is a template that takes a part of a variable'],
    ['{{ l.0 }}', 'is a template that takes a part of a variable'],
    ['{{- s -}}', 'is a template that strips the space around it'],
    ['{{ "}}" }}', 'is a template that holds a text in quotes'],
    ['{{ 1 }}', 'is a template that is more than the name of a variable'],
    ['{{ true }}', 'is a template that is more than the name of a variable'],
    ['{{ n ~ s }}', 'is a template that is more than the name of a variable'],
    ['{{ }}', 'is a template that is more than the name of a variable'],
    ['{% if b %}x{% endif %}', 'is a template that has a statement'],
    ['x{# note #}', 'is a template that has a comment'],
    ['{{ s', 'is a template whose braces are not closed'],
    ['{{ s } }', 'is a template whose braces are not closed'],
    ['{{ nope }}', 'is a template that refers to "nope", which the inventory does not set'],
    ['x{{ l }}', 'is a template that refers to "l", which is no text'],
    ['{{ far }}', 'refers to "filtered" (/b/hosts:8), which is a template that uses a filter'],
    ['{{ self }}', 'refers to "self" (/b/hosts:4), which is a template that refers to itself: self > self'],
    ['{{ ping }}', 'refers to "pong" (/b/hosts:4), which is a template that refers to itself: ping > pong > ping'],
  ])('refuses %j', (text, message) => {
    expect(fault(text)).toBe(message);
  });

  it.each([2, 200])('does not grow without bounds: %i-fold', (times) => {
    const lookup = (name: string) => {
      const value = `{{ x${Number(name.slice(1)) + 1} }}`.repeat(times);
      return { value: name === 'x40' ? 'y'.repeat(1000) : value, literal: false, place: undefined };
    };
    expect(() => resolveReferences('{{ x1 }}', lookup)).toThrow(UnresolvedTemplate);
  });

  it('resolves or refuses any text, and leaves one without templates alone', () => {
    const text = fc
      .array(fc.constantFrom('{{', '}}', ' s ', 's', 'n', '{%', '%}', '{', '}', '|', ' ', '-'))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (each) => {
        const found = fault(each);
        if (!/\{[{%#]/.test(each)) expect(found).toBe(each);
      }),
    );
  });
});
