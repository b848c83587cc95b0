import { expect, it } from '@jest/globals';
import { parseMapFlags, parseSelectFlags } from './restore-flags.js';
import { readInvocation, toInvocation } from './restore-invocation.js';

it('reads which host takes whose place', () => {
  expect([...parseMapFlags(['db1=db9', 'lb1=lb1'])]).toEqual([
    ['db1', 'db9'],
    ['lb1', 'lb1'],
  ]);
  for (const flags of [['db1'], ['=db9'], ['db1='], ['a=b', 'a=c']])
    expect(() => parseMapFlags(flags)).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

it('reads what is selected inside components, in the order given', () => {
  expect(
    parseSelectFlags(['postgresql.database=b', 'postgresql.database=a=c', 'rabbitmq.vhost=/', 'postgresql.as=x']),
  ).toEqual({
    postgresql: { database: ['b', 'a=c'], as: ['x'] },
    rabbitmq: { vhost: ['/'] },
  });
  for (const flag of ['postgresql', 'postgresql.database', 'postgresql.database=', '.x=y'])
    expect(() => parseSelectFlags([flag])).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

const settings = {
  buildDir: 'build',
  inventory: undefined,
  target: '/target',
  name: undefined,
  selection: {},
  layers: [],
  limits: {},
};

it('keeps where a restore got its inventory and archive from, absolute', () => {
  expect(toInvocation(settings, { config: 'c.yml' })).toEqual({
    buildDir: expect.stringMatching(/^\/.*\/build$/) as unknown,
    inventory: null,
    target: '/target',
    config: expect.stringMatching(/^\/.*\/c\.yml$/) as unknown,
  });
  expect(toInvocation({ ...settings, target: 's3://bucket/prefix' }, {})).toMatchObject({
    target: 's3://bucket/prefix',
  });
});

it('goes on from there, unless flags say otherwise', () => {
  const context = { buildDir: '/b', inventory: null, target: '/t', config: null };
  expect(readInvocation(context, {})).toMatchObject({ 'build-dir': '/b', target: '/t' });
  expect(readInvocation(context, { inventory: ['i'], target: '/u' })).toEqual({ inventory: ['i'], target: '/u' });
  expect(readInvocation(null, { target: '/u' })).toEqual({ target: '/u' });
});
