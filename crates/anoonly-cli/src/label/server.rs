//! The server of the page.

use std::sync::Arc;
use std::time::Duration;

use anoonly::labelling::{LabellingError, Query};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Json, Path, Query as UriQuery, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::desk::{Desk, DeskError, NewAnswer};
use super::files::FILES;
use super::guard::{Opener, Token, guard};
use super::list::Lists;
use super::messages::{
    AnswerRequest, AnswersRequest, ColumnReason, Learnt, PlacedCell, Reasons, RowDetails, RowsRequest, SaveRequest,
    SessionFacts, SharedState, SkipRequest, UndoRequest, shown,
};
use super::save::Saving;

/// How long a request for the next state waits.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most bytes of a request's body.
const MOST_BYTES: usize = 1 << 20;
/// The most answers of one request.
const MOST_ANSWERS: usize = 1000;

/// What the requests share.
pub struct Service {
    pub desk: Arc<Desk>,
    /// The secret of the address with which a browser is opened.
    pub opener: Opener,
    pub lists: Lists,
    pub facts: SessionFacts,
    pub saving: Saving,
}

/// An answer to a request that is refused.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    reason: String,
    /// The state, if it is why the request was refused.
    state: Option<SharedState>,
}

#[derive(Serialize)]
struct RefusalBody {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<SharedState>,
}

impl Refusal {
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), state: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(RefusalBody { error: self.reason, state: self.state })).into_response()
    }
}

impl From<DeskError> for Refusal {
    fn from(error: DeskError) -> Self {
        let reason = error.to_string();
        match error {
            DeskError::Conflict { state, .. } => Self { status: StatusCode::CONFLICT, reason, state: Some(state) },
            DeskError::Labelling(error) => Self::new(status(&error), reason),
        }
    }
}

fn status(error: &LabellingError) -> StatusCode {
    match error {
        LabellingError::NoRow { .. } => StatusCode::NOT_FOUND,
        LabellingError::JournalIo { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<LabellingError> for Refusal {
    fn from(error: LabellingError) -> Self {
        DeskError::from(error).into()
    }
}

macro_rules! refused {
    ($($rejection:ty),*) => {
        $(impl From<$rejection> for Refusal {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        })*
    };
}
refused!(JsonRejection, PathRejection, QueryRejection);

/// The body of a request.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The number of a row, counted from 1, as the index of the row.
struct RowIndex(usize);

impl<S: Send + Sync> FromRequestParts<S> for RowIndex {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Refusal> {
        let Path(number) = Path::<u64>::from_request_parts(parts, state).await?;
        index(number).map(Self)
    }
}

/// The index of the row with a number.
fn index(number: u64) -> Result<usize, Refusal> {
    let before = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
    before.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "rows are counted from 1"))
}

type Shared = State<Arc<Service>>;
type Answered<T> = Result<Json<T>, Refusal>;

/// The routes, all of them below the token.
pub fn router(service: Arc<Service>, token: &Token) -> Router {
    let at = |path: &str| format!("/{}/{path}", token.as_str());
    let page = at("");
    let mut router = Router::new().route(
        page.trim_end_matches('/'),
        get({
            let page = page.clone();
            move || async move { Redirect::permanent(&page) }
        }),
    );
    for file in FILES {
        let answer = ([(CONTENT_TYPE, HeaderValue::from_static(file.content_type))], file.content);
        router = router.route(&at(file.name), get(move || async move { answer }));
    }
    router
        .route(&at("api/session"), get(session))
        .route(&at("api/state"), get(state))
        .route(&at("api/rows/{row}"), get(row))
        .route(&at("api/rows/{row}/reasons"), get(reasons))
        .route(&at("api/rows"), post(rows))
        .route(&at("api/learnt"), get(learnt))
        .route(&at("api/answers"), post(answers))
        .route(&at("api/undo"), post(undo))
        .route(&at("api/skip"), post(skip))
        .route(&at("api/query"), post(query))
        .route(&at("api/save"), post(save))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "there is no such page") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here")
        })
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state((token.clone(), Arc::clone(&service)), guard))
        .with_state(service)
}

/// Runs what may wait for the disk or compute on a thread of its own.
async fn blocking<T: Send + 'static>(
    service: Arc<Service>,
    work: impl FnOnce(&Service) -> Result<T, Refusal> + Send + 'static,
) -> Answered<T> {
    match spawn_blocking(move || work(&service)).await {
        Ok(result) => result.map(Json),
        Err(error) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("an internal error: {error}"))),
    }
}

async fn session(State(service): Shared) -> Response {
    Json(&service.facts).into_response()
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

async fn state(State(service): Shared, after: Result<UriQuery<After>, QueryRejection>) -> Answered<SharedState> {
    let UriQuery(After { after }) = after?;
    if let Some(after) = after {
        let mut versions = service.desk.versions();
        // Whoever waited long enough gets the state that there is.
        let _ = tokio::time::timeout(PATIENCE, versions.wait_for(|version| *version > after)).await;
    }
    blocking(service, |service| Ok(service.desk.state()?)).await
}

async fn row(State(service): Shared, RowIndex(row): RowIndex) -> Answered<RowDetails> {
    blocking(service, move |service| {
        let given = service.desk.row(row)?;
        let view = service.desk.view();
        let columns = view.columns()?.iter();
        let places = view.place(row)?.into_iter().zip(view.contexts(row)?);
        let cells = columns.zip(view.values(row)?).zip(places).map(|((column, value), (place, context))| PlacedCell {
            column: column.name.clone(),
            value: shown(&value, LONGEST_CELL),
            words: context.map(|context| context.to_string()),
            place,
        });
        Ok(RowDetails { given, cells: cells.collect() })
    })
    .await
}

/// The most characters of a cell of the row that is asked.
const LONGEST_CELL: usize = 2000;

async fn reasons(State(service): Shared, RowIndex(row): RowIndex) -> Answered<Reasons> {
    blocking(service, move |service| {
        let (fit, explainer) = service.desk.explainer();
        let explained = explainer.explain(row)?;
        let contributions = explained
            .contributions
            .into_iter()
            .map(|part| ColumnReason { column: part.column, contribution: part.contribution });
        Ok(Reasons {
            fit,
            score: explained.score,
            baseline: explained.baseline,
            contributions: contributions.collect(),
            remainder: explained.remainder,
        })
    })
    .await
}

async fn rows(State(service): Shared, Body(request): Body<RowsRequest>) -> Response {
    blocking(service, move |service| Ok(service.lists.rows(&service.desk, request)?)).await.into_response()
}

async fn learnt(State(service): Shared) -> Json<Option<Learnt>> {
    Json(service.desk.learnt().map(|(fit, summary)| Learnt { fit, summary: (*summary).clone() }))
}

async fn answers(State(service): Shared, Body(request): Body<AnswersRequest>) -> Response {
    if request.answers.len() > MOST_ANSWERS {
        let reason = format!("at most {MOST_ANSWERS} answers at once");
        return Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason).into_response();
    }
    blocking(service, move |service| {
        let new = |answer: AnswerRequest| {
            Ok(NewAnswer {
                row: index(answer.row)?,
                answer: answer.answer,
                note: answer.note,
                expected: answer.expected,
            })
        };
        let answers: Vec<NewAnswer> = request.answers.into_iter().map(new).collect::<Result<_, Refusal>>()?;
        Ok(service.desk.answer(&answers)?)
    })
    .await
    .into_response()
}

async fn undo(State(service): Shared, Body(request): Body<UndoRequest>) -> Response {
    blocking(service, move |service| Ok(service.desk.undo(request.answers)?)).await.into_response()
}

async fn skip(State(service): Shared, Body(request): Body<SkipRequest>) -> Response {
    blocking(service, move |service| Ok(service.desk.skip(index(request.row)?, request.skipped)?)).await.into_response()
}

async fn query(State(service): Shared, Body(query): Body<Query>) -> Response {
    blocking(service, move |service| Ok(service.desk.set_query(query)?)).await.into_response()
}

async fn save(State(service): Shared, Body(request): Body<SaveRequest>) -> Response {
    blocking(service, move |service| {
        let failed =
            |error: crate::error::CommandError| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
        service.saving.save(&service.desk, request.threshold).map_err(failed)
    })
    .await
    .into_response()
}
