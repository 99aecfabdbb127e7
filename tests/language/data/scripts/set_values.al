#----------------------------------------------------------------------
# Values of the environment become variables of the node
#   --> name, kind, ports, databases
#----------------------------------------------------------------------
# process !local_scripts/set_values.al
on error ignore
set debug off
if !debug_mode == true then set debug on

# if $NO_CONSOLE == true or  $NO_CONSOLE == True then set cli off

:required:
company_name = "Kestrel Works"
hostname = get hostname
ledger_conn = 127.0.0.1:32048

set is_hidden =false
set nic_type = ""

if not $NODE_TYPE then goto missing-type
else if $NODE_TYPE == master-operator  then node_type = operator
else if $NODE_TYPE == master-reader then node_type = reader
else set node_type = $NODE_TYPE

if $NODE_NAME then node_name = $NODE_NAME
else node_name = !hostname + " " + !node_type
set node name !node_name

:place:
place_info = rest get where url = https://place.kestrel.example/json
if $PLACE then loc = $PLACE
if !place_info and not !loc then loc = from !place_info bring [loc]
if not !place_info and not !loc then loc = 0.0, 0.0
if $BRANCH then branch= $BRANCH

:network:
config_name = !node_type.name + - + !company_name.name + -configs
tcp_threads=6
rest_timeout=30
if $NIC_TYPE then
do set nic_type = $NIC_TYPE
do on error call nic-error
do set internal ip with !nic_type
do on error ignore

if $DNS then set dns = $DNS
else if $DNS_DOMAIN then dns = !hostname.$DNS_DOMAIN
if !node_type == master and not !anylog_server_port then anylog_server_port = 32048
if !rest_timeout.int < 0 then rest_timeout = 0 # for ever
if $LEDGER_CONN then
do set env_ledger = $LEDGER_CONN
do if !env_ledger then env_ledger_start = python !env_ledger.split(":")[0]

if !env_ledger_start != "127.0.0.1" and $LEDGER_CONN then
do set ledger_conn = $LEDGER_CONN
do goto databases
if !is_master == true and !overlay_ip then ledger_conn = !overlay_ip + ":" + !anylog_server_port
else if !is_master == false then ledger_conn = !ip + ":32048"

:databases:
if  !blobs_storage == false or ($BLOBS_FOLDER == true or $BLOBS_FOLDER == True) then set blobs_folder=true
table_name=*
partition_interval = 14 days
start_date = - + $START_DATE + d
mqtt_passwd = mqtt4Kestrel!
set msg_dbms = "bring [dbms]"
if $MEMBER and $MEMBER.int then member = $MEMBER
set policy new_policy [!node_type] = {}
set policy new_policy [!node_type][port] = !anylog_server_port.int
if !node_type == operator and !cluster_id then set policy new_policy [!node_type][cluster] = !cluster_id
version = get version
deployment_type = python !version.split(" ")[0]

:end-script:
end script

:missing-type:
print "No kind of node in $NODE_TYPE: " !node_type
goto end-script

:nic-error: 
print "No such network card"
return
