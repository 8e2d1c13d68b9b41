/* stage_resolve.c - the model, its provider and its price. */
#include "gateway/assistant.h"

enum step stage_resolve(struct request *request)
{
    request->catalog = gateway_catalog(request->worker->gateway);
    if (!request->catalog)
        return request_fail(request, ERR_DRAINING, "no catalogue is loaded");
    if (request->assistant && assistant_choose(request) != ERR_OK)
        return STEP_FAIL;
    request->model = catalog_model(request->catalog, request->ask.model_name);
    if (!request->model) {
        fault_param(&request->fault, ERR_MODEL_UNKNOWN, "model", "there is no model `%.*s`",
                    STR_ARG(request->ask.model_name));
        return STEP_FAIL;
    }
    if (price_of(&request->model->price, POOL_INPUT) == PRICE_UNKNOWN ||
        (request->operation == OPERATION_CHAT &&
         price_of(&request->model->price, POOL_OUTPUT) == PRICE_UNKNOWN)) {
        fault_param(&request->fault, ERR_PRICE_UNKNOWN, "model",
                    "the model `%.*s` has no price: it is refused, never free",
                    STR_ARG(request->model->name));
        return STEP_FAIL;
    }
    request->context.model = request->model->name;
    request->context.provider = request->model->provider->name;
    request->context.upstream_model = request->model->upstream_model;
    return STEP_NEXT;
}
