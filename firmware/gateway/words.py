"""Event codes of the application, and the names of all codes as published in <base>/glossary.

Quality codes and the bus's event codes (2 to 5, 12, 15 and 16) stand in `modbus.codes`. Codes are stored on
flash and published, so they never change.
"""

BOOT = 1  # (boot id, 0)
BROKER_DOWN = 6  # (text)
BROKER_UP = 7  # (text)
RECORDS_DROPPED = 8  # (how many, 0: found no room in RAM, 1: the oldest on a full log)
LOG_DAMAGED = 11  # (records lost, sectors out of use)

# Exception names: Modbus application protocol V1.1b3, section 7.
GLOSSARY = (
    '{"format":1,"quality":{"0":"good","1":"timeout","2":"crc","3":"wrong_reply","4":"bus_fault","5":"not_asked",'
    '"17":"illegal_function","18":"illegal_data_address","19":"illegal_data_value","20":"server_device_failure",'
    '"21":"acknowledge","22":"server_device_busy","24":"memory_parity_error","26":"gateway_path_unavailable",'
    '"27":"gateway_target_failed"},"event":{"1":"boot","2":"unit_silent","3":"unit_back","4":"bus_fault",'
    '"5":"bus_back","6":"broker_down","7":"broker_up","8":"records_dropped",'
    '"11":"log_damaged","12":"read_split","15":"second_client","16":"comm_loss_risk"}}'
)
