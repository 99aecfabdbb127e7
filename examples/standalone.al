# One node that is the master of its own small network, on embedded defaults:
# the ledger in SQLite, messages on 127.0.0.1:32048.

create work directories

connect dbms blockchain where type = sqlite
create table ledger where dbms = blockchain

<run tcp server where
    external_ip = 127.0.0.1 and external_port = 32048 and   # how peers reach this node
    internal_ip = 127.0.0.1 and internal_port = 32048 and
    bind = true and threads = 2>

run blockchain sync where source = dbms and time = 5 seconds and dest = file

get processes
