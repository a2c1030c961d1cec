noinst_HEADERS += libshared/tensor/dtype.h libshared/tensor/safetensors.h
