# Makes the servers of a host new and empty, for restores to a host that had nothing: seed.sh db9|mq9
rm -rf /var/lib/lsbackup
case $1 in
  db9)
    pg_dropcluster --stop 15 main
    rm -rf /var/lib/postgresql/lsbackup-fast /var/lib/postgresql/15/.lsbackup-*
    pg_createcluster 15 main --start > /dev/null
    ;;
  mq9)
    rabbitmqctl --quiet stop_app
    rabbitmqctl --quiet reset
    rabbitmqctl --quiet start_app
    ;;
esac
