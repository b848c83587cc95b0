# Makes the servers of a host new and empty, for restores to a host that had nothing: seed.sh lb8|lb9|db9|mq9
rm -rf /var/lib/lsbackup
case $1 in
  lb8 | lb9)
    # What came with the package, kept from the first time.
    test -d /root/haproxy.package || cp -a /etc/haproxy /root/haproxy.package
    rm -rf /etc/haproxy /etc/ssl/haproxy
    cp -a /root/haproxy.package /etc/haproxy
    systemctl reset-failed haproxy
    systemctl restart haproxy
    ;;
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
