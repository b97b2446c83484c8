"""GBCS bytes to typed messages and back: headers, protection, DLMS, GBZ, ASN.1, the use-case table. Knows nothing of DUIS.

A Service Request becomes a message and an answer in these steps; each is one function:

DSP       ``usecases.use_case_for`` → ``commands.build_command`` (critical and the user's own: this is the Pre-Command, sent with
          a null signature; accept it back with ``commands.accept_signed``) → ``commands.finish_command`` (MAC, octets)
device    ``message.decode_message`` → ``protect.verify_mac`` / ``verify_signature`` → ``commands.read_command`` →
          ``dlms.AccessResponse``, ``gbz.encode_components`` or ``shapes.encode_shape`` → ``responses.build_response`` →
          ``responses.protect_response``
device    ``alerts.alert_content`` → ``alerts.build_alert`` → ``alerts.protect_alert``
reader    ``results.read_result`` gives readable values of Responses and Alerts; ``explain.explain`` explains any message

Times are milliseconds of UTC; ``times.IMMEDIATE`` (None) and ``times.CANCEL`` stand for now and never.
"""
