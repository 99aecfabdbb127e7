# A node that follows a master, and that others follow in its place:
# process examples/relay.al with two values in variables, for example
#   edgelake --serve -c "set own_port = 32248" -c "set master_node = 127.0.0.1:32048" process examples/relay.al
# A follower of it is any node whose connection is the address of this one; see docs/ledger-details.md.

create work directories

<run tcp server where
    external_ip = 127.0.0.1 and external_port = !own_port and
    bind = true and threads = 2>

<run blockchain sync where
    source = master and connection = !master_node and time = 30 seconds and
    dest = file and relay = true>
