/**
 * Part of `npm run check`: a type that an exported declaration speaks of is exported as well. Otherwise whoever returns it from a function
 * of their own, with `declaration: true`, gets TS2742 or TS2883, "the inferred type cannot be named". Reads the built declarations.
 */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

const folder = join(import.meta.dirname, '../packages/core');
const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const entries = Object.values(exports).flatMap(({ types }) => (types === undefined ? [] : [join(folder, types)]));
const program = ts.createProgram(entries, { module: ts.ModuleKind.Node20, types: ['node'], skipLibCheck: true });
const checker = program.getTypeChecker();

const exported = new Set(
  entries.flatMap((entry) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
    return checker.getExportsOfModule(module).map(original);
  }),
);
const faults = new Set(
  [...exported].flatMap((symbol) => (symbol.declarations ?? []).flatMap((node) => unnamed(node, symbol))),
);
for (const fault of [...faults].sort()) console.error(fault);
if (faults.size > 0) process.exitCode = 1;

/** What lies behind an import or a re-export. */
function original(symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** The types of the package that `node`, a part of the declaration of `user`, speaks of and nobody can import. */
function unnamed(node, user) {
  const inside = node.getChildren().flatMap((child) => unnamed(child, user));
  const found = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
  if (found === undefined) return inside;
  const symbol = original(found);
  const [declaration] = symbol.declarations ?? [];
  const file = declaration?.getSourceFile();
  const isOurs = declaration?.parent === file && file.fileName.startsWith(join(folder, 'dist'));
  if (!isOurs || exported.has(symbol)) return inside;
  return [
    ...inside,
    `${relative(folder, file.fileName)}: ${symbol.name}, of which ${user.name} speaks, is not exported`,
  ];
}
