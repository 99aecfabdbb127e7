# Data that comes in: broker, topics, rules, jobs
on error goto store-error
connect dbms monitoring where type=sqlite
create table syslog where dbms=monitoring

on error goto partition-error
partition monitoring syslog using timestamp by 12 hours
schedule time=12 hours and name="drop syslog partitions" task drop partition where dbms=monitoring and table=syslog and keep=3
schedule name=remove_archive and time=1 day and task delete archive where days = !archive_delete

:connect-network:
on error ignore
conn_info = get connections where format=json
is_broker  = from !conn_info bring [Messaging][external]
if not !anylog_broker_port then anylog_broker_port = 32150
if !is_broker  == 'Not declared' then
do on error goto broker-error
<do run message broker where
    external_ip=!external_ip and external_port=!anylog_broker_port and
    internal_ip=!!overlay_ip and internal_port=!anylog_broker_port and
    bind=!broker_bind and threads=!broker_threads>

<set msg rule syslog_rule if
   ip = !ip
then
   dbms = monitoring  and
   table = syslog and
   extend = ip and
   syslog = true>

<run msg client where
    broker=198.51.100.9 and port=1883 and
    user=kestrel and password=mqtt4Kestrel! and
    log=false and topic=(
        name=power-plant and
        dbms=!default_dbms and
        table=pp_pm and
        column.timestamp.timestamp = "bring [timestamp]" and
        column.monitor_id = (type=string and value="bring [monitor_id]") and
        column.real_power.float = "bring [RealPower]"
    ) and topic = (
        name = power-plant-pv and
        table = pv and
        column.pv.float = "bring [PV]"
    )>

:rows:
rows = run client () sql !default_dbms format=json:list and stat=false select count(*) from !a_table where stamp >= NOW() - 5 minutes
wait 30 for !rows        # until they are there
for loop start where list = !rows
    value = from !rows[+] bring [count]
    if !value then act_value = !value[0]
    if not !act_value or !act_value.int <= 0 then
    do message = "Table " + !default_dbms + "." + !a_table + " has no data"
    do call send-message
for loop end
goto end-script

:send-message:
if !msg_type == mail then
do on error goto broker-error
do mail_body = {"to": !mail_to, "text": !message}
do rest post where url = !msg_url and headers = {"Content-Type": "application/json"} and body = !mail_body
else if !msg_type == phone then
else do on error goto broker-error
else goto store-error
return

:end-script:
end script

:store-error:
:partition-error:
print "Error: no room for the data"
exit scripts

:broker-error:
print "Error: no message broker"
do goto end-script
