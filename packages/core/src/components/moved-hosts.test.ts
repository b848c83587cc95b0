import { expect, it } from '@jest/globals';
import { findMoved } from './moved-hosts.js';

const moved = [{ archived: ['db1', '10.0.0.5', 'db1.example.test'], target: 'spare1', address: '10.9.0.5' }];

it('finds names and addresses of hosts that moved, as words of their own', () => {
  const text = [
    'server a db1:5432 check',
    'server b db10:1',
    '# db1',
    'server c 10.0.0.50:1',
    'x=10.0.0.5',
    'y my-db1',
  ].join('\n');
  expect(findMoved(text, moved)).toEqual([
    { line: 1, text: 'server a db1:5432 check', why: 'db1 is spare1, 10.9.0.5 now' },
    { line: 5, text: 'x=10.0.0.5', why: '10.0.0.5 is spare1, 10.9.0.5 now' },
  ]);
});

it('hides what may be a password beside the name', () => {
  const found = findMoved('uri amqp://u:hush@db1/ password=hush', moved);
  expect(JSON.stringify(found)).not.toContain('hush');
  expect(found).toHaveLength(1);
});

it('says a new address of a host that kept its name', () => {
  const same = [{ archived: ['db1', '10.0.0.5'], target: 'db1', address: '10.9.0.5' }];
  expect(findMoved('h 10.0.0.5', same)[0]?.why).toBe('10.0.0.5 is 10.9.0.5 now');
});
