# A node that follows a master: process examples/follower.al <own port> <master ip:port>
# with the two values in variables, for example
#   edgelake --serve -c "set own_port = 32148" -c "set master_node = 127.0.0.1:32048" process examples/follower.al

create work directories

connect dbms blockchain where type = sqlite
create table ledger where dbms = blockchain

<run tcp server where
    external_ip = 127.0.0.1 and external_port = !own_port and
    bind = true and threads = 2>

<run blockchain sync where
    source = master and connection = !master_node and time = 2 seconds and
    dest = file and dest = dbms>
