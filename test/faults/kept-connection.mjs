// Connects a host by the system's ssh and says `connected`, then stays: to be killed. Argument: the host as JSON.
import { connectHost } from '../../packages/core/dist/remote/connect-host.js';

const host = JSON.parse(process.argv[2]);
const remote = await connectHost(host, { user: { name: 'nobody', homeDirectory: '/nonexistent' } });
const stream = await remote.read({ argv: ['sleep', '3399'], become: 'root' });
stream.resume();
console.log('connected');
