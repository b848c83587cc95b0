// Makes a key known for many hosts at once, as several runs of the program do. Arguments: the file, the key in base64, names of hosts.
import { addKnownHost } from '../../packages/core/dist/remote/known-hosts-files.js';

const [file, key, ...names] = process.argv.slice(2);
const add = (name) =>
  addKnownHost(file, Buffer.from(key, 'base64'), { name: { name, withoutPort: undefined }, hash: false });
await Promise.all(names.map(add));
