import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { builtInComponents } from './index.js';

const here = import.meta.dirname;

describe('built-in components', () => {
  it('are exactly the folders', () => {
    const folders = readdirSync(here, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(builtInComponents.map(({ name }) => name).sort()).toEqual(folders.sort());
  });

  it.each(builtInComponents.map((component) => [component.name, component] as const))(
    '%s has the same files as the others and documents each option',
    (name, component) => {
      for (const file of ['index.ts', 'discover.ts', 'backup.ts', 'by-hand.ts', 'options.ts', 'README.md'])
        expect(existsSync(join(here, name, file))).toBe(true);
      expect(component.options.safeParse({})).toMatchObject({ success: true });
      expect(component.options.safeParse({ no_such_option: 1 }).success).toBe(false);
      const readme = readFileSync(join(here, name, 'README.md'), 'utf8');
      const options = component.options as unknown;
      expect(options).toBeInstanceOf(z.ZodObject);
      for (const option of Object.keys((options as z.ZodObject).shape))
        expect(readme).toMatch(new RegExp(`^\\|.*\`${option}\``, 'm'));
    },
  );
});
