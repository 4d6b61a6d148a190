"""Serial converters (税控盘转换器): the binary protocol of protocol.md section 4."""
