/* Templates that go by a name. Each writes the format that its family of models was trained on, marks what the assistant
 * says (its end-of-turn token included) as generation, and puts a system message where the format has a place for it. */
#include "text/chat/chat_internal.h"

/* Where a format knows no system role, its text goes before the first words of the user. */
#define SYSTEM_ASIDE                                                                                          \
    "{%- set system = messages[0].content if messages and messages[0].role == 'system' else '' -%}"           \
    "{%- set talk = messages[1:] if messages and messages[0].role == 'system' else messages -%}"

/* Turns that are opened by a mark for their role, for formats that differ in the marks alone. */
#define MARKED_TURNS(assistant_mark, mark, end)                                                               \
    "{%- for m in messages -%}"                                                                               \
    "{%- if m.role == 'assistant' -%}"                                                                        \
    "{{ " assistant_mark " }}{% generation %}{{ (m.content or '') + " end " }}{% endgeneration %}"            \
    "{%- else -%}{{ " mark " + m.content + " end " }}{%- endif -%}"                                           \
    "{%- endfor -%}"                                                                                          \
    "{%- if add_generation_prompt -%}{{ " assistant_mark " }}{%- endif -%}"

const lm_named_template lm_named_templates[] = {
    {"chatml", MARKED_TURNS("'<|im_start|>assistant\\n'", "'<|im_start|>' + m.role + '\\n'", "'<|im_end|>\\n'")},
    {"llama2",
     SYSTEM_ASIDE
     "{%- for m in talk -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ ' ' }}{% generation %}{{ m.content | trim + ' ' + eos_token | default('</s>') }}{% endgeneration %}"
     "{%- else -%}"
     "{{ bos_token | default('<s>') + '[INST] ' }}"
     "{%- if loop.first and system -%}{{ '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' }}{%- endif -%}"
     "{{ m.content | trim + ' [/INST]' }}"
     "{%- endif -%}"
     "{%- endfor -%}"},
    {"llama3",
     "{{- bos_token | default('<|begin_of_text|>') -}}"
     "{%- for m in messages -%}"
     "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' }}"
     "{%- if m.role == 'assistant' -%}"
     "{% generation %}{{ (m.content or '') | trim + '<|eot_id|>' }}{% endgeneration %}"
     "{%- else -%}{{ m.content | trim + '<|eot_id|>' }}{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}"},
    {"mistral",
     SYSTEM_ASIDE
     "{{- bos_token | default('<s>') -}}"
     "{%- for m in talk -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ ' ' }}{% generation %}{{ m.content | trim + eos_token | default('</s>') }}{% endgeneration %}"
     "{%- else -%}"
     "{{ '[INST] ' + (system + '\\n\\n' if loop.first and system else '') + m.content + '[/INST]' }}"
     "{%- endif -%}"
     "{%- endfor -%}"},
    {"gemma",
     SYSTEM_ASIDE
     "{{- bos_token | default('<bos>') -}}"
     "{%- for m in talk -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ '<start_of_turn>model\\n' }}{% generation %}{{ m.content | trim + '<end_of_turn>\\n' }}{% endgeneration %}"
     "{%- else -%}"
     "{{ '<start_of_turn>' + m.role + '\\n' + (system + '\\n\\n' if loop.first and system else '') "
     "+ m.content | trim + '<end_of_turn>\\n' }}"
     "{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"},
    {"zephyr", MARKED_TURNS("'<|assistant|>\\n'", "'<|' + m.role + '|>\\n'", "eos_token | default('</s>') + '\\n'")},
    {"phi3", MARKED_TURNS("'<|assistant|>\\n'", "'<|' + m.role + '|>\\n'", "'<|end|>\\n'")},
    {"phi4", MARKED_TURNS("'<|im_start|>assistant<|im_sep|>'", "'<|im_start|>' + m.role + '<|im_sep|>'",
                          "'<|im_end|>'")},
    {"granite", MARKED_TURNS("'<|start_of_role|>assistant<|end_of_role|>'",
                             "'<|start_of_role|>' + m.role + '<|end_of_role|>'", "'<|end_of_text|>\\n'")},
    {"exaone",
     "{%- for m in messages -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ '[|assistant|]' }}{% generation %}{{ m.content + '[|endofturn|]\\n' }}{% endgeneration %}"
     "{%- else -%}{{ '[|' + m.role + '|]' + m.content + ('\\n' if m.role == 'user' else '[|endofturn|]\\n') }}{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '[|assistant|]' }}{%- endif -%}"},
    {"deepseek",
     SYSTEM_ASIDE
     "{{- bos_token | default('<｜begin▁of▁sentence｜>') + system -}}"
     "{%- for m in talk -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ '<｜Assistant｜>' }}"
     "{% generation %}{{ m.content + eos_token | default('<｜end▁of▁sentence｜>') }}{% endgeneration %}"
     "{%- else -%}{{ '<｜User｜>' + m.content }}{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '<｜Assistant｜>' }}{%- endif -%}"},
    {"command-r",
     "{{- bos_token | default('<BOS_TOKEN>') -}}"
     "{%- for m in messages -%}"
     "{{ '<|START_OF_TURN_TOKEN|>' }}"
     "{%- if m.role == 'assistant' -%}"
     "{{ '<|CHATBOT_TOKEN|>' }}"
     "{% generation %}{{ m.content | trim + '<|END_OF_TURN_TOKEN|>' }}{% endgeneration %}"
     "{%- else -%}{{ '<|' + m.role | upper + '_TOKEN|>' + m.content | trim + '<|END_OF_TURN_TOKEN|>' }}{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{%- endif -%}"},
    {"alpaca",
     SYSTEM_ASIDE
     "{{- bos_token | default('') -}}"
     "{%- for m in talk -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ '### Response:\\n' }}"
     "{% generation %}{{ m.content + eos_token | default('</s>') }}{% endgeneration %}"
     "{{ '' if loop.last else '\\n\\n' }}"
     "{%- else -%}"
     "{%- if loop.first -%}"
     "{{ (system or 'Below is an instruction that describes a task' + (', paired with an input that provides further "
     "context' if m.input else '') + '. Write a response that appropriately completes the request.') + '\\n\\n' }}"
     "{%- endif -%}"
     "{{ '### Instruction:\\n' + (m.instruction if m.input else m.content) + '\\n\\n' }}"
     "{%- if m.input -%}{{ '### Input:\\n' + m.input + '\\n\\n' }}{%- endif -%}"
     "{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ '### Response:\\n' }}{%- endif -%}"},
    {"vicuna",
     SYSTEM_ASIDE
     "{{- bos_token | default('<s>') + (system or 'A chat between a curious user and an artificial intelligence "
     "assistant. The assistant gives helpful, detailed, and polite answers to the user\\'s questions.') + ' ' -}}"
     "{%- for m in talk -%}"
     "{%- if m.role == 'assistant' -%}"
     "{{ 'ASSISTANT: ' }}{% generation %}{{ m.content + eos_token | default('</s>') }}{% endgeneration %}"
     "{%- else -%}{{ 'USER: ' + m.content + ' ' }}{%- endif -%}"
     "{%- endfor -%}"
     "{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"},
    {"plain",
     "{{- bos_token | default('') -}}"
     "{%- for m in messages -%}"
     "{%- if m.role == 'assistant' -%}"
     "{% generation %}{{ m.content + eos_token | default('') }}{% endgeneration %}"
     "{%- else -%}{{ m.content }}{%- endif -%}"
     "{%- endfor -%}"},
    {NULL, NULL},
};

const lm_named_template *lm_named_template_find(const char *name)
{
    for (const lm_named_template *t = lm_named_templates; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}
