import { containerId, shellOnHost } from './cluster-host.js';
import { must } from './lsbackup.js';

/** Runs in a host of the test cluster what RESTORE.txt of an archive says in the one section whose title has these words, and before it. */
export async function restoreByHand(host: string, archive: string, title: string): Promise<void> {
  await must('docker', 'cp', archive, `${await containerId(host)}:/root/archive.tar.gz`);
  await shellOnHost(
    host,
    `rm -rf /root/by-hand; mkdir /root/by-hand; cd /root/by-hand
    export ARCHIVE=/root/archive.tar.gz
    tar -xzOf "$ARCHIVE" RESTORE.txt > RESTORE.txt
    commands() { for section do sed -n "/^$section /,/^[0-9]/s/^    //p" RESTORE.txt; done; }
    number=$(sed -n 's/^\\(4[.][0-9]*\\) .*${title}.*/\\1/p' RESTORE.txt)
    commands 1 > unpack.sh; sh unpack.sh; commands 2 "$number" > restore.sh; sh restore.sh
    rm -rf /root/by-hand /root/archive.tar.gz`,
  );
}
