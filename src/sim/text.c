/* text.c - sentences drawn from two small tables. */
#include "sim/text.h"
#include "base/must.h"
#include "base/random.h"
#include "core/estimate.h"

static const struct str english[] = {
    STR_ROW("The short answer is yes, and the long answer takes a little patience."),
    STR_ROW("Start with the part that changes least and let the rest follow from it."),
    STR_ROW("A good measure is one that you would trust on a bad day."),
    STR_ROW("Most of the cost hides in the step that nobody looks at twice."),
    STR_ROW("First write down what must never happen, then build the thing."),
    STR_ROW("There are three options, and the second one is usually enough."),
    STR_ROW("It helps to keep the numbers next to the claim that they support."),
    STR_ROW("When in doubt, try it with ten examples before you try it with a million."),
    STR_ROW("The train leaves at seven, so an early breakfast would be wise."),
    STR_ROW("Water the plants in the morning and leave them alone at noon."),
    STR_ROW("This works because each part knows only what it needs to know."),
    STR_ROW("You can change the order, but the total stays the same."),
    STR_ROW("Please check the second table, where the figures are given per month."),
    STR_ROW("In the end, the simplest version was also the fastest."),
    STR_ROW("Nothing here depends on luck, only on care."),
    STR_ROW("Ask again tomorrow and the answer will be exactly this one."),
};

static const struct str portuguese[] = {
    STR_ROW("A resposta curta é sim, e a resposta longa pede um pouco de paciência."),
    STR_ROW("Comece pela parte que muda menos e deixe o resto vir depois dela."),
    STR_ROW("Uma boa medida é aquela em que você confiaria num dia ruim."),
    STR_ROW("Quase todo o custo se esconde no passo que ninguém olha duas vezes."),
    STR_ROW("Primeiro escreva o que nunca pode acontecer e só então construa."),
    STR_ROW("Há três opções, e a segunda costuma ser suficiente."),
    STR_ROW("Ajuda manter os números ao lado da afirmação que eles sustentam."),
    STR_ROW("Na dúvida, tente com dez exemplos antes de tentar com um milhão."),
    STR_ROW("O trem sai às sete, então vale a pena tomar café mais cedo."),
    STR_ROW("Regue as plantas de manhã e deixe-as em paz ao meio-dia."),
    STR_ROW("Isso funciona porque cada parte sabe apenas o que precisa saber."),
    STR_ROW("Você pode mudar a ordem, mas o total continua o mesmo."),
    STR_ROW("Veja a segunda tabela, em que os valores estão por mês."),
    STR_ROW("No fim, a versão mais simples também foi a mais rápida."),
    STR_ROW("Nada aqui depende de sorte, apenas de cuidado."),
    STR_ROW("Pergunte de novo amanhã e a resposta será exatamente esta."),
};

enum {
    SENTENCE_COUNT = sizeof english / sizeof english[0],
    SENTENCE_BYTES_MAX = 128,
};
_Static_assert(sizeof english == sizeof portuguese, "one drawing serves both tables");

struct str sim_text_cut(struct str text, int64_t tokens)
{
    MUST(tokens >= 0);
    if (estimate_text_tokens((int64_t)text.len) <= tokens)
        return text;
    size_t len = (size_t)tokens * ESTIMATE_TOKEN_BYTES;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return str_make(text.ptr, len);
}

struct str sim_text(struct arena *arena, const struct sim_text_wish *wish)
{
    MUST(wish->tokens >= 0);
    size_t const wanted = (size_t)wish->tokens * ESTIMATE_TOKEN_BYTES;
    char *text = arena_alloc(arena, wanted + SENTENCE_BYTES_MAX);
    if (!text)
        return (struct str){0};
    struct random random;
    random_seed(&random, wish->seed);
    size_t len = 0, last = SENTENCE_COUNT;
    while (len < wanted) {
        size_t pick = (size_t)random_below(&random, SENTENCE_COUNT);
        pick =
            pick == last ? (pick + 1) % SENTENCE_COUNT : pick; /* nobody repeats himself at once */
        last = pick;
        struct str const sentence = wish->portuguese ? portuguese[pick] : english[pick];
        MUST(sentence.len < SENTENCE_BYTES_MAX);
        if (len > 0)
            text[len++] = ' ';
        memcpy(text + len, sentence.ptr, sentence.len);
        len += sentence.len;
    }
    struct str const whole = str_make(text, len);
    return wish->exact ? sim_text_cut(whole, wish->tokens) : whole;
}
