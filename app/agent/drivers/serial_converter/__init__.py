"""Serial converters (税控盘转换器): the binary protocol of docs/protocols.md, section 4."""
