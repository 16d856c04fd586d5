"""The 5G core: PFCP (N4), SMF, UPF, gNB."""
