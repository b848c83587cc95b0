import { describe, expect, it } from '@jest/globals';

import { parseConfig } from './config-parser.js';
import { unfollowedKeys } from './unfollowed-settings.js';

const keys = (...lines: string[]) => unfollowedKeys(parseConfig(Buffer.from(lines.join('\n')), '/b/ansible.cfg'));

describe('unfollowedKeys', () => {
  it.each([
    ['defaults', 'force_valid_group_names = always'],
    ['defaults', 'force_valid_group_names = silently'],
    ['defaults', 'yaml_valid_extensions = .yml,.txt'],
    ['defaults', 'vars_plugins = ./vars'],
    ['defaults', 'vars_plugins_enabled = community.sops.sops,host_group_vars'],
    ['defaults', 'inventory_plugins = ./inventory_plugins'],
    ['defaults', 'connection_plugins = ./c'],
    ['defaults', 'become_plugins = ./b'],
    ['defaults', 'duplicate_dict_key = error'],
    ['defaults', 'playbook_dir = play'],
    ['inventory', 'enable_plugins = yaml, ini'],
    ['inventory_plugin_yaml', 'yaml_valid_extensions = .txt'],
    ['connection', 'ssh_agent = auto'],
  ])('names [%s] %s', (section, line) => {
    expect(keys(`[${section}]`, line)).toEqual([`[${section}] ${line.split(' ')[0] ?? ''} (line 2)`]);
  });

  it.each([
    ['defaults', 'force_valid_group_names = ignore'],
    ['defaults', 'force_valid_group_names = never'],
    ['defaults', 'vars_plugins_enabled = host_group_vars'],
    ['defaults', 'duplicate_dict_key = ignore'],
    ['defaults', 'vars_plugins ='],
    ['defaults', 'forks = 20'],
    ['inventory', 'any_unparsed_is_failed = true'],
    ['inventory', 'host_pattern_mismatch = ignore'],
    ['connection', 'ssh_agent = none'],
    ['ssh_connection', 'pipelining = true'],
  ])('says nothing of [%s] %s', (section, line) => {
    expect(keys(`[${section}]`, line)).toEqual([]);
  });
});
