/** The sample cluster as a process of its own, as quickstart starts it: argument 1 is the directory; ends with its parent. */
import { startSampleCluster } from './cluster.mjs';

process.on('disconnect', () => process.exit());
// The terminal sends Ctrl-C to the whole group; the parent decides when it is over.
process.on('SIGINT', () => undefined);
try {
  const cluster = await startSampleCluster({ directory: process.argv[2] });
  process.send({ hosts: cluster.hosts.map(({ name, server }) => ({ name, port: server.port })) });
} catch (error) {
  process.send({ problem: error.message });
}
