# One node that is the master of its own small network, on embedded defaults:
# the ledger in SQLite, messages on 127.0.0.1:32048, the console on 127.0.0.1:32049.

create work directories

connect dbms blockchain where type = sqlite
create table ledger where dbms = blockchain

<run tcp server where
    external_ip = 127.0.0.1 and external_port = 32048 and   # how peers reach this node
    internal_ip = 127.0.0.1 and internal_port = 32048 and
    bind = true and threads = 2>

run blockchain sync where source = dbms and time = 5 seconds and dest = file

# A node without its libraries, edgelake[rest], does without it.
on error call no-console
run rest server where external_ip = 127.0.0.1 and external_port = 32049 and bind = true
on error end script

get processes
end script

:no-console:
print "no console in the browser: pip install 'edgelake[rest]'; 'get error log' has the reason"
return
