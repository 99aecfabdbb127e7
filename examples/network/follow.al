# Keeps the ledger in step: a master with its own table, any other node with its master.
#
#   process examples/network/follow.al

on error goto not-following
follows = test process blockchain sync
if !follows == true then goto wait
if !node_type == master then goto own-table

:master:
<run blockchain sync where
    source = master and
    connection = !master_node and
    time = !sync_time and
    dest = file and dest = dbms>
goto wait

:own-table:
<run blockchain sync where
    source = dbms and
    time = !sync_time and
    dest = file>

:wait:
# Policies are declared only by who has seen the ledger: what is there is not declared twice.
in_step = wait !sync_wait for sync
if !in_step == True then end script
print "the ledger was not synchronized within" !sync_wait "seconds"
exit scripts

:not-following:
print "the ledger cannot be followed"
exit scripts
