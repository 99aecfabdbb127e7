# Policies built key by key, in blocks and as JSON over several lines
on error ignore
if !debug_mode == true then set debug on

:check-policy:
is_policy = blockchain get schedule where id=!schedule_id
config_id = blockchain get config where company=!company_name and name=!config_name bring.first [*][id]
if not !is_policy and !create_policy == true then goto declare-policy-error
if !config_id then goto config-policy

:network-configs:
if !node_type == generic then
<do set policy new_policy [config][script] = [
    "if !blockchain_source == master then blockchain seed from !ledger_conn",
    "run scheduler 1",
    "run publisher where archive_json=true and compress_json=!compress_file and table_name=file_name[1]"
]>
do goto publish-policy

:schedule-policy:
new_policy=""
<new_policy = {
    "schedule": {
        "id": !schedule_id,
        "name": "Watch the node",
        "script": [
            "schedule name = ips and time=300 seconds and task ips = blockchain get query bring.ip_port",

            "schedule name = cpu and time = 30 seconds task if !cpu then node_insight[CPU %] = !cpu.float",
            "schedule name = state and time = 30 seconds task node_insight[state]='Active'"
        ]
}}>
policy2 = {
    "device": {"name": "{silo}", "ip": !ip},
    "note": "a } b"
}

:publish-policy:
process !local_scripts/policies/publish_policy.al
if !error_code == 1 then goto declare-policy-error
set create_policy = true
wait 5
blockchain reload metadata
goto check-policy

:config-policy:
on error goto config-policy-error
config from policy where id = !config_id

:end-script:
end script

:terminate-scripts:
exit scripts

:config-policy-error:
print "Failed to configure the node"
goto terminate-scripts

:declare-policy-error:
print "Failed to declare a policy"
goto terminate-scripts
