# Listens for other nodes, unless it does already.
#
#   process examples/network/listen.al

listens = test process tcp
if !listens == true then goto listening

:start:
on error call busy
tries = 0

:again:
<run tcp server where
    external_ip = !own_ip and external_port = !own_port and     # for other networks
    internal_ip = !overlay_ip and internal_port = !own_port and # inside this one
    bind = !tcp_bind and
    threads = !tcp_threads>
listens = test process tcp
if !listens == true then goto listening
if !tries.len < 4 then goto again
print "gave up: the port" !own_port "stays taken"
exit scripts

:listening:
print listens at !own_ip:!own_port
end script

# Another program may still hold the port: wait a little, and count how often.
:busy:
tries = !tries + 1
print "the TCP server does not start, try" !tries.len
wait 0.5
return
